"""PostgreSQL as Django knows it, except that making a connection first makes sure that the embedded server runs.

Nothing happens before the first connection, so commands that need no database (`check`, `--help`) never start it.
"""

from pathlib import Path
from typing import Any

from django.db.backends.postgresql import base, client

from betsizing.embedded.cluster import Cluster


def cluster_of(settings_dict: dict[str, Any]) -> Cluster:
    return Cluster(Path(settings_dict["HOME"]), throwaway=settings_dict.get("THROWAWAY", False))


class DatabaseClient(client.DatabaseClient):
    """`manage.py dbshell` with the psql that came with the server."""

    @classmethod
    def settings_to_cmd_args_env(
        cls, settings_dict: dict[str, Any], parameters: list[str]
    ) -> tuple[list[str], dict[str, str] | None]:
        from betsizing.embedded.server import binary  # its import is worth 30 ms that only dbshell owes

        access = cluster_of(settings_dict).access()
        arguments, environment = super().settings_to_cmd_args_env(
            settings_dict | {"HOST": access["host"], "USER": access["user"], "PASSWORD": access["password"]}, parameters
        )
        return [str(binary("psql")), *arguments[1:]], environment


class DatabaseWrapper(base.DatabaseWrapper):
    client_class = DatabaseClient

    def get_connection_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super().get_connection_params()
        return params | cluster_of(self.settings_dict).access()

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        try:
            return super().get_new_connection(conn_params)
        except self.Database.OperationalError:
            cluster = cluster_of(self.settings_dict)
            if cluster.ready():
                raise  # the server runs and refuses: the reason is in the error
            cluster.start()  # it is coming back after a crash, or ended between the look and the connection
            return super().get_new_connection(conn_params | cluster.access())
