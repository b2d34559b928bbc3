"""The published networks by name. To add one: a `Network` in the file of its document; to add a document: a file and
a line here. The tests run over all of them."""

from __future__ import annotations

from poof.recog.core.network import Network
from poof.recog.zoo.networks.cao import CAO
from poof.recog.zoo.networks.compared import COMPARED
from poof.recog.zoo.networks.gebotys import GEBOTYS
from poof.recog.zoo.networks.huang import HUANG
from poof.recog.zoo.networks.stergiou import STERGIOU
from poof.recog.zoo.networks.zeng import ZENG

NETWORKS: dict[str, Network] = {
    **GEBOTYS,
    **STERGIOU,
    **CAO,
    **ZENG,
    **HUANG,
    **COMPARED,
}
