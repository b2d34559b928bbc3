"""The published networks by name. To add one: a `Network` in the file of its document; to add a document: a file and
a line here. The tests run over all of them."""

from __future__ import annotations

from poof.recog.networks.base import Network
from poof.recog.networks.cao import CAO
from poof.recog.networks.compared import COMPARED
from poof.recog.networks.gebotys import GEBOTYS
from poof.recog.networks.huang import HUANG
from poof.recog.networks.stergiou import STERGIOU
from poof.recog.networks.zeng import ZENG

NETWORKS: dict[str, Network] = {
    **GEBOTYS,
    **STERGIOU,
    **CAO,
    **ZENG,
    **HUANG,
    **COMPARED,
}
