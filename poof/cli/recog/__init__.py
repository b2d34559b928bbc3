"""`poof recog`: temporal modules for action recognition, compared fairly. One file per command."""

from __future__ import annotations

import typer

from poof.cli.recog.check import check
from poof.cli.recog.eval import evaluate
from poof.cli.recog.explain import explain
from poof.cli.recog.extract import extract
from poof.cli.recog.list import list_names
from poof.cli.recog.predict import predict
from poof.cli.recog.profile import profile
from poof.cli.recog.render import motion_task
from poof.cli.recog.train import train

recog = typer.Typer(
    help=(
        "Temporal modules for action recognition: build, train, judge, explain.\n\n"
        "In three commands: `train resnet18 -m m2a -d LIST -o runs/m2a`, `eval runs/m2a -d LIST`, "
        "`explain runs/m2a VIDEO -o heat`."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
recog.command("list")(list_names)
recog.command("profile")(profile)
recog.command("train")(train)
recog.command("eval")(evaluate)
recog.command("predict")(predict)
recog.command("explain")(explain)
recog.command("extract")(extract)
recog.command("check")(check)
recog.command("motion-task")(motion_task)
