"""The ``kollarm`` command: its groups, and the one place where errors become exit statuses."""

from __future__ import annotations

import errno
import gc
import io
import logging
import os
import shlex
import sys
import textwrap
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path

import click

from core import logs, progress, standard_streams
from core.errors import EXIT_CONFIGURATION, EXIT_FAILURE, KollarmError
from core.text_output import one_line
from core.version import __version__
from kollarm.cli import interruptions
from kollarm.cli.groups import CommandGroup
from kollarm.cli.verbosity import Invocation, with_verbosity

log = logging.getLogger(__name__)

#: New objects after which Python looks for garbage.
GARBAGE = 50_000

#: The errors of an operating system without free space, or without permission.
FULL_OR_FORBIDDEN = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM})

#: Each command: where it is defined, and its line in the help.
COMMANDS = {
    "attest": ("kollarm.cli.attest:group", "Check and show the attestations of images."),
    "build": ("kollarm.cli.build:build", "Build container images, push and join them."),
    "clean": ("kollarm.cli.clean:clean_command", "Remove what earlier runs have left."),
    "config": ("kollarm.cli.config:group", "Check and show the configuration."),
    "constraints": (
        "kollarm.cli.constraints:constraints_command",
        "Write the versions of the images' Python packages.",
    ),
    "deploy": ("kollarm.cli.deploy:deploy_command", "Deploy a cloud with kolla-ansible."),
    "doctor": ("kollarm.cli.doctor:doctor_command", "Check this machine and its services."),
    "guest": ("kollarm.cli.guest:group", "Prepare, prove and publish guest images."),
    "images": ("kollarm.cli.images:images", "Build, prepare, prove and publish everything."),
    "init": ("kollarm.cli.init:init_command", "Write a configuration file to start from."),
    "lint": ("kollarm.cli.overlays:lint_command", "Check overlays against a release."),
    "overlays": ("kollarm.cli.overlays:group", "List overlays and show what they change."),
    "prune": ("kollarm.cli.prune:prune_command", "Remove from the registry what no index names."),
    "stop": ("kollarm.cli.stop:stop_command", "Stop the embedded registry and Glance."),
}


@click.group(
    cls=CommandGroup,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="kollarm")
def cli() -> None:
    """Make one OpenStack cloud of x86_64 control nodes and ARM servers, whose ARM guests
    have a working VNC console."""


def main(
    arguments: Sequence[str] | None = None, command: click.Command = cli, name: str = "kollarm"
) -> int:
    """Run a command and return its exit status.

    0 done, 1 failed, 2 bad configuration or usage, 130 interrupted, 129 its terminal is gone.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    standard_streams.open_missing()
    interruptions.handle()
    threading.excepthook = _thread_failed
    if isinstance(sys.stdout, io.TextIOWrapper):
        # File names in a guest may not be text; standard error escapes them by itself.
        sys.stdout.reconfigure(errors="backslashreplace")
    # The logs of a shell's requests for completions would replace those of real runs.
    completing = "_KOLLARM_COMPLETE" in os.environ
    log_path = None if completing else logs.start(shlex.join(words))
    invocation = Invocation()
    try:
        result = with_verbosity(command).main(
            words, prog_name=name, standalone_mode=False, obj=invocation
        )
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        usage = io.StringIO()
        error.show(usage)
        _print(usage.getvalue().rstrip("\n"))
        return EXIT_CONFIGURATION
    except (KeyboardInterrupt, click.Abort) as error:
        _print("interrupted: partial work was rolled back, or the next run completes it")
        return interruptions.exit_status(error)
    except Exception as error:
        return _failed(error, log_path, invocation)


def _failed(error: Exception, log_path: Path | None, invocation: Invocation) -> int:
    """Report an error and return its exit status; called where it is being handled."""
    if isinstance(error, OSError) and error.errno in FULL_OR_FORBIDDEN:
        error = _refused_by_the_system(error)
    if not isinstance(error, KollarmError):
        log.exception("defect")
        _print(one_line(f"kollarm: internal error: {type(error).__name__}: {error}"))
        if not invocation.debug:
            _print("run it again with --debug to see where; please report it")
        status = EXIT_FAILURE
    else:
        log.error("%s", error.message, exc_info=True)
        # A command whose result is a failure has described it in its own document.
        _explain(error, as_json=invocation.as_json and not invocation.document)
        status = error.exit_status
    if invocation.debug:
        _print(textwrap.indent(traceback.format_exc(), "  "))
    if log_path and status == EXIT_FAILURE:
        _print(f"the whole log: {log_path}")
    return status


def _refused_by_the_system(error: OSError) -> KollarmError:
    """The error for what the operating system wouldn't let be written or read."""
    what = f"{error.filename}: " if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = "free some space and run the same again: complete results are kept"
    else:
        hint = "check its permissions, or name another folder (state_dir, KOLLARM_CACHE)"
    return KollarmError(f"{what}{error.strerror}", hint=hint)


def _explain(error: KollarmError, *, as_json: bool) -> None:
    """Say what was wrong, where, and what to do."""
    # Each on a line of its own: no text from outside can pretend to be the hint.
    _print(f"kollarm: {one_line(error.message)}", style="bold red")
    for line in (error.details or "").splitlines():
        _print(f"  {line}")
    if error.hint:
        _print(f"hint: {one_line(error.hint)}")
    if as_json:
        from kollarm.cli import common  # noqa: PLC0415 — pydantic, which no help page needs

        common.print_json(
            {"error": {"message": error.message, "details": error.details, "hint": error.hint}}
        )


def _print(text: str, style: str = "") -> None:
    progress.current().show(text, style)


def _thread_failed(failure: threading.ExceptHookArgs) -> None:
    """Print the traceback of a defect in a thread, as Python would."""
    lines = traceback.format_exception(failure.exc_type, failure.exc_value, failure.exc_traceback)
    log.error("defect in a thread: %s", "".join(lines))
    _print(textwrap.indent("".join(lines), "  "))


def script(command: click.Command = cli) -> None:
    """The console script's entry."""
    # What a command imports stays until it ends: looking through it for garbage again and again
    # takes a fifth of the time that importing does.
    gc.set_threshold(GARBAGE)
    status = main(command=command)
    interruptions.ignore()
    sys.exit(status)


if __name__ == "__main__":
    script()
