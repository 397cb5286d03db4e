"""The command ``dataflow``. Prefect, torch and the kernels are imported by the commands that need them, not here."""

import atexit
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.console import Console

from dataflow.catalog.ledger import FATES
from dataflow.errors import DataflowError, RecipeError
from flows.interrupts import remember_interrupts
from flows.steps import STEPS

app = typer.Typer(
    name="dataflow",
    help="From raw text to a trained language model, with every document accounted for.",
    epilog="Start with `dataflow demo`, or write a recipe and look at it with `dataflow plan RECIPE`. "
    "Exit status: 0 done, 1 the run failed, 2 the call or the recipe is wrong, 3 interrupted: the same command "
    "continues. `--debug` shows the traceback of an error.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
)

RecipePath = Annotated[
    str, typer.Argument(metavar="RECIPE", help="YAML file that describes the corpus.", show_default=False)
]
Folder = Annotated[str, typer.Argument(metavar="OUT", help="Output folder of a run.", show_default=False)]
Overrides = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a recipe key, e.g. `--set pretrain.lr=3e-4`; may be repeated.",
    ),
]
Out = Annotated[
    str | None, typer.Option("--out", metavar="FOLDER", help="Write here instead of the recipe's `out`.")
]

_TABLES = (
    "the tables documents, signals, ledger, duplicates, cuts, contamination, quarantine, pii, plan, corpus, tokens, "
    "instructions, runs, metrics"
)
_CTRL_C = 130  # what typer makes of a KeyboardInterrupt
LINE, LOOK, OTHER = "The line", "Looking at a run", "Other"


@app.command(rich_help_panel=LINE)
def demo(
    out: Annotated[str, typer.Argument(help="Folder to write to.")] = "out/demo",
    overrides: Overrides = [],  # noqa: B006 - typer reads the default
) -> None:
    """The whole line on real text that comes with the demo extra; a few minutes on a laptop."""
    wait_for_server = _start_prefect()
    from flows.demo import run_demo

    wait_for_server()
    run_demo(out, overrides)


@app.command(rich_help_panel=LINE)
def run(
    recipe: RecipePath,
    overrides: Overrides = [],  # noqa: B006
    out: Out = None,
    first: Annotated[
        str, typer.Option("--from", metavar="STEP", help=f"Begin with this step: {', '.join(STEPS)}.")
    ] = "quality",
    only: Annotated[
        str, typer.Option("--only", metavar="STEP", help="Run just this step; as `dataflow STEP RECIPE`.")
    ] = "",
) -> None:
    """Run a recipe. Running it again continues, and does only what is missing or changed."""
    for name in (first, only):
        if name and name not in STEPS:
            from dataflow.config import nearest

            raise RecipeError(f'there is no step "{name}"', "dataflow run", nearest(name, list(STEPS)))
    _run_pipeline(recipe, overrides, out, first, only)


@app.command(rich_help_panel=LINE)
def plan(recipe: RecipePath, overrides: Overrides = [], out: Out = None) -> None:  # noqa: B006
    """What would run: inputs, mixture, estimates of disk and time, what is already done. Writes nothing."""
    from flows.plan import show_plan
    from flows.recipe import load_recipe

    show_plan(load_recipe(recipe, overrides, out), _stdout())


@app.command(rich_help_panel=LOOK)
def stats(
    out: Folder,
    sql: Annotated[str, typer.Argument(metavar="SQL", help=f"A query over {_TABLES}.")] = "",
) -> None:
    """Standard tables of a run, or a query: `dataflow stats OUT "SELECT fate, count(*) FROM ledger GROUP BY ALL"`."""
    from flows import look

    look.stats(out, sql)


@app.command(rich_help_panel=LOOK)
def explain(
    out: Folder,
    record: Annotated[
        str,
        typer.Argument(metavar="ID", help="source/path#number, as the tables show it.", show_default=False),
    ],
) -> None:
    """All that happened to one document."""
    from flows import look

    look.explain(out, record)


@app.command(rich_help_panel=LOOK)
def sample(
    out: Folder,
    rule: Annotated[
        str, typer.Option(help="Documents that this rule dropped; `dataflow signals` lists them.")
    ] = "",
    fate: Annotated[str, typer.Option(help=f"Documents of this fate: {', '.join(FATES)}.")] = "",
    count: Annotated[int, typer.Option("-n", help="How many.", min=1)] = 5,
    seed: Annotated[int, typer.Option(help="Another seed shows others.")] = 1,
) -> None:
    """Documents to look at, the value beside the threshold."""
    from flows import look

    look.sample(out, rule, fate, count, seed)


@app.command(rich_help_panel=LOOK)
def whatif(
    out: Folder,
    changes: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar='RULE="SQL"',
            help="Another condition for a rule, or a new rule. Or `dedup.similarity=0.8`: a higher similarity of "
            "near-duplicates, `?` for a table of all.",
        ),
    ] = [],  # noqa: B006
    drop: Annotated[list[str], typer.Option(metavar="RULE", help="Leave a rule out.")] = [],  # noqa: B006
) -> None:
    """What other rules would keep, by source and language: `dataflow whatif OUT --set short="n_words >= 30"`."""
    from flows import look

    look.whatif(out, changes, drop)


@app.command(rich_help_panel=LOOK)
def check(out: Folder) -> None:
    """Check conservation, checksums and manifests; status 1 where something is wrong."""
    from flows import look

    look.check(out)


@app.command(rich_help_panel=OTHER)
def signals() -> None:
    """Every signal and rule: definition, default, source."""
    from flows import look

    look.signals()


@app.command(rich_help_panel=OTHER)
def serve(
    host: Annotated[str, typer.Option(help="Address the server listens on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the server.", min=1, max=65535)] = 4200,
) -> None:
    """Serve every flow to the Prefect UI, where the recipe is a form; starts a server where none is configured."""
    _set_prefect_defaults(quiet=False)
    from flows.serve import serve as serve_flows

    serve_flows(host, port)


def _step_command(name: str, description: str) -> Callable[..., None]:
    def command(recipe: RecipePath, overrides: Overrides = [], out: Out = None) -> None:  # noqa: B006
        _run_pipeline(recipe, overrides, out, "quality", name)

    command.__doc__ = description
    return command


for _name, _description in STEPS.items():
    app.command(_name, rich_help_panel="Single steps")(_step_command(_name, _description))


def _run_pipeline(path: str, overrides: list[str], out: str | None, first: str, only: str) -> None:
    from flows.recipe import load_recipe
    from flows.recipe_check import check_recipe

    recipe = load_recipe(path, overrides, out)
    check_recipe(
        recipe, [only] if only else list(STEPS)[list(STEPS).index(first) :]
    )  # before Prefect's seconds
    wait_for_server = _start_prefect()
    from dataflow.catalog.render import show
    from dataflow.store.storage import Storage
    from flows.pipeline import pipeline
    from flows.summary import summary

    wait_for_server()
    pipeline(recipe, first, only)
    if not only:
        show(summary(Storage(recipe.folder)))
        print(f"All of it lies in {recipe.folder}. What to type next: dataflow stats {recipe.folder}")


def _start_prefect() -> Callable[[], None]:
    """A Prefect server for one run: the user's, or one of our own that starts while the caller imports the flows.

    Returns what waits until it answers.
    """
    _set_prefect_defaults(quiet=True)
    from flows.server import is_configured, start_server

    if is_configured():
        return lambda: None
    server = start_server()
    atexit.register(server.stop)  # before Prefect's own, so after it: that sends what is left of the log
    return server.wait


def _set_prefect_defaults(quiet: bool) -> None:
    """Settings that must stand before Prefect is imported; whatever the user has set stays."""
    defaults = {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        "PREFECT_API_REQUEST_TIMEOUT": "180",  # seconds; a busy machine is slow to answer, not broken
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    }
    if quiet:  # the log goes to the server, where the UI shows it; the terminal has our own lines
        defaults["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def _stdout() -> Console:
    """Colours on a terminal only; elsewhere lines are not folded to a guessed width."""
    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=160)


def main() -> None:
    """Entry point: one line for what went wrong, and the status that says whose fault it was."""
    status = [1]
    atexit.register(_leave, status)  # first in, so last to run
    remember_interrupts()
    debug = "--debug" in sys.argv
    arguments: list[str] = [argument for argument in sys.argv[1:] if argument != "--debug"]
    status[0] = _guarded(lambda: app(arguments, prog_name="dataflow", standalone_mode=False), debug)
    sys.exit(status[0])


def _leave(status: list[int]) -> None:
    """Skip the interpreter's tear-down: under Prefect's running threads DuckDB reports objects as leaked."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status[0])


def _guarded(call: Callable[[], Any], debug: bool) -> int:
    error_console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        result = call()
        if result == _CTRL_C:
            raise KeyboardInterrupt
        return result if isinstance(result, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        error_console.print("Interrupted. Run the same command again: it continues.", style="yellow")
        return 3
    except DataflowError as error:
        if debug:
            raise
        error_console.print(str(error), style="red", markup=False)
        return error.exit_status
    except typer.Exit as exit_:
        return exit_.exit_code
    except Exception as error:
        if debug:
            raise
        shown = getattr(error, "format_message", None)  # a fault of the call, as click words it
        if shown is not None:
            if said := shown().strip():  # without arguments the help stands there already
                said += "" if said.endswith((".", "?")) else "."
                context = getattr(error, "ctx", None)
                command = context.command_path if context else "dataflow"
                error_console.print(f"{said} See `{command} --help`.", style="red", markup=False)
            return 2
        error_console.print(
            f"{type(error).__name__}: {error} (add --debug for the traceback)", style="red", markup=False
        )
        return 1


if __name__ == "__main__":
    main()
