"""`unicomp cache`: list the store, verify its checkpoints, or make room."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from unicomp import cache
from unicomp.commands import arguments
from unicomp.commands.arguments import Commands
from unicomp.errors import SpecError
from unicomp.settings import load_settings, project_root, store_home
from unicomp.store import Store
from unicomp.units import amount

_DAY = 86400.0


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("cache", help="list, verify or prune the store")
    actions = "what to do with its entries (default: %(default)s)"
    parser.add_argument(
        "action", nargs="?", choices=("list", "verify", "prune"), default="list", help=actions
    )
    parser.add_argument("--unicomp-home", metavar="DIR", type=arguments.path, help=arguments.STORE)
    days = "prune entries older than this (default: %(default)s; 0 for everything)"
    parser.add_argument(
        "--older-than", metavar="DAYS", type=arguments.amount, default=30.0, help=days
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; 1 if a checkpoint is damaged."""
    home = store_home(options.unicomp_home, load_settings(project_root(Path.cwd())))
    if options.unicomp_home is not None and not home.is_dir():
        raise SpecError(f"--unicomp-home {options.unicomp_home}: there is no store")
    store = Store(home)
    if options.action == "verify":
        found = list(cache.damaged(store))
        for path, reason in found:
            print(f"damaged: {path}: {reason}; remove the folder, and it is built again")
        if not found:
            print(f"all checkpoints in {store.home} are intact")
        return 1 if found else 0
    if options.action == "prune":
        gone = cache.prune(store, options.older_than * _DAY)
        print(f"removed {len(gone)} entries, {amount(sum(entry.size for entry in gone), 'bytes')}")
        return 0
    columns = ("kind", "content", "size", "changed", "key")
    table = Table(*columns, title=str(store.home), pad_edge=False)
    entries = list(cache.entries(store))
    for entry in entries:
        changed = datetime.fromtimestamp(entry.changed).strftime("%Y-%m-%d %H:%M")
        table.add_row(entry.kind, entry.label, amount(entry.size, "bytes"), changed, entry.key[:12])
    console = Console(highlight=False)
    console.print(table)
    console.print(amount(sum(entry.size for entry in entries), "bytes"))
    return 0
