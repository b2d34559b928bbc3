"""`poof recog`: temporal modules for action recognition, compared fairly. One file per command."""

from __future__ import annotations

import typer

from poof.cli.common import help_of
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
recog.command("list", help=help_of(list_names))(list_names)
recog.command("profile", help=help_of(profile))(profile)
recog.command("train", help=help_of(train))(train)
recog.command("eval", help=help_of(evaluate))(evaluate)
recog.command("predict", help=help_of(predict))(predict)
recog.command("explain", help=help_of(explain))(explain)
recog.command("extract", help=help_of(extract))(extract)
recog.command("check", help=help_of(check))(check)
recog.command("motion-task", help=help_of(motion_task))(motion_task)
