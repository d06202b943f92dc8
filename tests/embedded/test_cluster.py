"""The embedded database is one server for all commands, whatever is killed, and lets in nobody but the application."""

import os
import pwd
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg2
import pytest

from betsizing.embedded.cluster import CHECKOUT, Cluster, ClusterError
from betsizing.embedded.server import OUTSIDE, Server, reachable
from tests.embedded.conftest import Client, end, eventually, keepers, lives, postmaster, processes_of

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
Start = Callable[..., Client]


@pytest.mark.slow
def test_eight_commands_at_once_start_one_server(cluster: Cluster, client: Start) -> None:
    clients = [client() for _ in range(8)]
    for one in clients:
        one.send()
    assert len({one.answer() for one in clients}) == 1
    assert len(keepers(cluster)) == 1


@pytest.mark.slow
def test_server_outlives_a_kill_of_its_first_starter(client: Start) -> None:
    first, second = client(), client()
    started = first.ask()
    first.process.kill()
    first.process.wait()
    assert second.ask() == started


@pytest.mark.slow
def test_killed_server_is_back_for_the_next_connection(cluster: Cluster, client: Start) -> None:
    one = client()
    started = one.ask()
    postmaster(cluster).kill()
    time.sleep(0.1)  # else the dying server may still accept
    assert one.ask() > started
    assert len(keepers(cluster)) == 1


@pytest.mark.slow
def test_killed_keeper_is_replaced_and_leaves_no_second_server(cluster: Cluster, client: Start) -> None:
    one = client()
    started = one.ask()
    orphan = postmaster(cluster)
    keepers(cluster)[0].kill()
    assert eventually(lambda: not lives(orphan)) or sys.platform == "darwin"
    assert one.ask() > started
    assert len(keepers(cluster)) == 1
    assert not lives(orphan)


@pytest.mark.slow
def test_kill_in_the_middle_of_the_making_leaves_nothing_half_made(cluster: Cluster, client: Start) -> None:
    one = client()
    one.send()
    assert eventually(lambda: any(cluster.home.glob("server/draft-pgdata-*/base")))
    for process in (*keepers(cluster), *processes_of(cluster, "initdb")):
        with suppress(psutil.NoSuchProcess):  # the death of its keeper ends an initdb
            process.kill()
    one.process.kill()
    assert client().ask()
    assert not list(cluster.home.glob("server/draft-*"))


@pytest.mark.slow
def test_process_number_taken_over_by_a_stranger_does_not_stop_a_start(cluster: Cluster, client: Start) -> None:
    client().ask()
    server = postmaster(cluster)
    keepers(cluster)[0].kill()
    assert eventually(lambda: not lives(server))
    (Server(cluster).data / "postmaster.pid").write_text(f"{os.getpid()}\n")
    assert client().ask()


@pytest.mark.slow
def test_server_stops_after_the_last_client_and_not_before(cluster: Cluster, place: Path) -> None:
    brief = Cluster(cluster.home, throwaway=True, idle_seconds=1)
    first, second = Client(brief), Client(brief)
    assert first.ask() == second.ask()
    server = postmaster(brief)
    sockets = brief.socket_folder
    first.leave()
    time.sleep(2.5)
    assert lives(server)
    second.leave()
    assert eventually(lambda: not lives(server) and not keepers(brief), seconds=5)
    assert not sockets.exists()


@pytest.mark.slow
def test_only_the_application_gets_in_and_only_with_its_password(cluster: Cluster, client: Start) -> None:
    client().ask()
    access = cluster.access()
    assert (Server(cluster).data / "pg_hba.conf").read_text().split("\n") == [
        "local all betsizing scram-sha-256",
        "local all all reject",
        "",
    ]
    for stranger in ({"password": "wrong"}, {"user": "postgres"}):
        with pytest.raises(psycopg2.OperationalError, match=r"authentication failed|rejects connection"):
            psycopg2.connect(dbname="betsizing", **{**access, **stranger})
    session = psycopg2.connect(dbname="betsizing", **access)
    with session, session.cursor() as sql:
        sql.execute("SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = current_user")
        assert sql.fetchone() == (False, True, False)
        sql.execute("SELECT current_setting('listen_addresses'), current_setting('password_encryption')")
        assert sql.fetchone() == ("", "scram-sha-256")
    session.close()
    sockets = cluster.socket_folder
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    assert len(str(sockets / ".s.PGSQL.5432")) < 100
    for file in cluster.home.iterdir():
        if file.is_file():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


@pytest.mark.slow
def test_copied_folder_does_not_reach_the_original(cluster: Cluster, client: Start, place: Path) -> None:
    started = client().ask()
    shutil.copytree(place / "data", place / "copy", ignore=shutil.ignore_patterns("server"))
    copy = Cluster(place / "copy" / "postgres", throwaway=True)
    assert copy.socket_folder is None
    try:
        assert Client(copy).ask() > started
    finally:
        end(copy)


@as_root
@pytest.mark.slow
def test_root_hands_the_server_to_nobody(cluster: Cluster, client: Start) -> None:
    client().ask()
    nobody = pwd.getpwnam("nobody").pw_uid
    assert postmaster(cluster).uids().real == nobody
    assert Server(cluster).data.stat().st_uid == nobody
    assert stat.S_IMODE(cluster.home.stat().st_mode) == 0o711


@as_root
@pytest.mark.slow
def test_root_keeps_the_server_elsewhere_when_nobody_cannot_reach_the_folder(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "data" / "postgres", throwaway=True)  # below pytest's folder, which is root's alone
    try:
        assert Client(cluster).ask()
        outside = Server(cluster).folder
        assert outside.parent == OUTSIDE
        assert stat.S_IMODE(cluster.home.stat().st_mode) == 0o700
    finally:
        end(cluster)
        shutil.rmtree(outside)
    with pytest.raises(ClusterError, match="is gone"):
        Server(cluster).prepare()


@as_root
def test_root_copies_the_binaries_where_nobody_can_run_them(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = place / "data" / "postgres"
    (folder / "server").mkdir(parents=True)
    monkeypatch.setattr("betsizing.embedded.server.reachable", lambda path: False)
    copy = Server(Cluster(folder)).binary("initdb")
    assert copy.is_relative_to(folder)
    nobody = pwd.getpwnam("nobody").pw_uid
    folder.joinpath("server").chmod(0o755)
    assert subprocess.run([copy, "--version"], user=nobody, env={}, check=True, capture_output=True).stdout


@as_root
@pytest.mark.slow
def test_ordinary_user_needs_nothing_of_root(cluster: Cluster, client: Start, place: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    if not (
        reachable(Path(sys.executable)) and reachable(Path(psycopg2.__file__)) and reachable(CHECKOUT / "manage.py")
    ):
        pytest.skip("the checkout or its environment is not readable for other accounts")
    cluster.home.parent.mkdir()
    os.chown(cluster.home.parent, nobody.pw_uid, nobody.pw_gid)
    assert client(user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[]).ask()
    assert keepers(cluster)[0].uids().real == nobody.pw_uid
    assert stat.S_IMODE(cluster.home.stat().st_mode) == 0o700


@pytest.mark.parametrize("command", [["check"], ["--help"], ["help", "up"]])
def test_command_without_need_of_the_database_does_not_start_it(command: list[str], place: Path) -> None:
    environment = {**os.environ, "BETSIZING_DATA": str(place / "data"), "DATABASE_URL": ""}
    done = subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not (place / "data" / "postgres").exists()


def test_folder_that_cannot_be_written_is_named(place: Path) -> None:
    (place / "data").write_text("a file where a folder should be")
    with pytest.raises(ClusterError, match=r"data folder cannot be written: .*data/postgres.*BETSIZING_DATA"):
        Cluster(place / "data" / "postgres").access()
