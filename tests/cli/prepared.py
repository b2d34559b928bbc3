"""A process that has imported what commands need, and forks for each: `typed.poof` asks it, a line of JSON a command.

Most of a short command's processor time is importing torch. A fork is a process like any other: exit codes, files,
environment and signals are as a user has them. What it cannot show is what happens while modules are imported.
"""

from __future__ import annotations

import atexit
import json
import os
import resource
import signal
import sys

import scipy.optimize  # noqa: F401
import torch

import poof.cli.propagate
import poof.cli.refine
import poof.drawing
import poof.pose
import poof.projects.project
import poof.propagation
import poof.refine  # noqa: F401
from poof.__main__ import main

torch.set_num_threads(1)
for line in sys.stdin:
    words, folder, environment, out, err = json.loads(line)
    child = os.fork()
    if child == 0:
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        for number, path in enumerate((os.devnull, out, err)):
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC), number)
        if most := environment.get("LARGEST_FILE"):
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(most), int(most)))
        sys.argv = ["poof", *words]
        try:
            main()
        except SystemExit as end:  # without the second that Python takes to clear up its modules
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(end.code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
