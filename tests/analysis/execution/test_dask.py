"""A real dask cluster as executor."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from helpers.work_networks import Deadly, classifier, facts, points

import boundnet

distributed = pytest.importorskip("distributed", reason="distributed is not installed: pip install 'boundnet[dask]'")
pytestmark = pytest.mark.xdist_group("work")


def test_a_cluster_gives_the_same_bits_and_survives_a_dead_worker(tmp_path: Path) -> None:
    graph = classifier()
    x = points(graph, 70)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=str(tmp_path / "scratch")
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        executor = client.get_executor()
        for options in ({"arithmetic": "pure-bfloat16"}, {"domain": "sketch", "coins": 2, "samples": 3}):
            assert facts(boundnet.analyze(graph, x, executor=executor, **options)) == facts(
                boundnet.analyze(graph, x, **options)
            )
        tokens = tmp_path / "tokens"
        tokens.mkdir()
        deadly = classifier(Deadly(os.getpid(), str(tokens), 1))
        assert facts(boundnet.analyze(deadly, x, executor=executor)) == facts(boundnet.analyze(deadly, x))
        assert len(list(tokens.iterdir())) == 1
