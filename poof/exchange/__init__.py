"""Results into the places where other tools look for them: their projects with frames, tables for analysis."""

from poof.exchange.export import PEERS, Export, export

__all__ = ["PEERS", "Export", "export"]
