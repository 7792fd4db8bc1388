"""Fits in forked and spawned processes and in threads: they end, and they repeat."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from cases import MODELS, name_of
from threadpoolctl import threadpool_info, threadpool_limits

from recsys_tutor.autoencoders import MultVAE
from recsys_tutor.datasets import make_world
from recsys_tutor.implicit_mf import ImplicitALS
from recsys_tutor.kernels import one_blas_thread
from recsys_tutor.mf import ExplicitALS
from recsys_tutor.neural import DotModel
from recsys_tutor.testing.cases import small
from recsys_tutor.training import Draws

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
every_model = pytest.mark.parametrize("case", MODELS, ids=name_of)

# -- processes -----------------------------------------------------------------------

#: Enough rows for all parallel loops, enough numbers for torch's threads.
JOBS = """
import multiprocessing as mp
import pickle
import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np


def data():
    from recsys_tutor.data import Interactions

    rng = np.random.default_rng(0)
    cell = rng.permutation(600 * 50)[:24_000]
    return Interactions(
        *(cell // 50, cell % 50, rng.integers(1, 6, 24_000).astype(float)),
        *(rng.integers(10**9, 2 * 10**9, 24_000), [f"u{n:03}" for n in range(600)]),
        [100 + 3 * n for n in range(50)],
    )


def job(n):
    from cases import MODELS

    case, train = MODELS[n], data()
    fewer = {"n_epochs": 2, "batch_size": 1024, "burn_in": 1}
    model = case.new(train)
    changes = {k: v for k, v in fewer.items() if k in model.get_params()}
    scores = model.clone(**changes).fit(train).score(np.arange(600))
    return scores


def inner(n):
    with mp.get_context("fork").Pool(1) as pool:
        return pool.apply_async(job, (n,)).get(120)


def small_job(seed):
    from recsys_tutor.implicit_mf import ImplicitALS
    from recsys_tutor.mf import BiasedMF
    from recsys_tutor.neural import DotModel

    train = data()
    models = ImplicitALS, BiasedMF, DotModel
    models = [m(n_factors=3, n_epochs=2, random_state=seed) for m in models]
    return [m.fit(train).score([0, 599]) for m in models]
"""

EVERY_MODEL = """
if __name__ == "__main__":
    import torch
    from cases import MODELS

    torch.set_num_threads(2)
    numbers = range(len(MODELS))
    here = [job(n) for n in numbers]
    assert torch.get_num_threads() == 2
    context = mp.get_context("fork")
    with context.Pool(2) as pool:
        there = pool.map_async(job, numbers, chunksize=1).get(400)
    for n, a, b in zip(numbers, here, there, strict=True):
        name = type(MODELS[n].model).__name__
        if MODELS[n].rtol < 1e-6:
            assert np.array_equal(a, b), name
        else:  # torch adds in another order with two threads
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3, err_msg=name)
        assert np.ptp(a) > 0, name
    print(len(there), "fits are those of their parent")
"""

OTHER_WAYS = """
if __name__ == "__main__":
    if sys.argv[1] == "used":  # by the parent, before the fork
        import torch

        torch.set_num_threads(2)
        small_job(0)
    elif sys.argv[1] == "imported":
        import recsys_tutor.training
    context = mp.get_context(sys.argv[2])
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        there = list(pool.map(small_job, (0, 0), timeout=400))
    here = small_job(0)
    for found in there:
        for a, b in zip(here, found, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4)
        assert np.array_equal(here[0], found[0]) and np.array_equal(here[1], found[1])
    print("equal")
"""

NESTED = """
if __name__ == "__main__":
    from cases import MODELS

    kinds = "ImplicitALS", "BPR", "MultVAE"
    for kind in kinds:
        n = [type(case.model).__name__ for case in MODELS].index(kind)
        here = job(n)
        with ProcessPoolExecutor(1, mp_context=mp.get_context("fork")) as pool:
            there = pool.submit(inner, n).result(200)
        np.testing.assert_allclose(here, there, rtol=1e-3, atol=1e-3)
    print("equal")
"""


def run_jobs(tmp_path, code, *arguments):
    """Run a script of its own, two threads allowed; what it printed."""
    script = tmp_path / "jobs.py"
    script.write_text(JOBS + code, encoding="utf-8")
    tests = Path(__file__).parent
    path = os.pathsep.join([str(tests), os.environ.get("PYTHONPATH", "")])
    unset = "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_WAIT_POLICY"
    env = {k: v for k, v in os.environ.items() if k not in unset}
    env |= {"PYTHONPATH": path, "NUMBA_NUM_THREADS": "2", "OMP_WAIT_POLICY": "passive"}
    done = subprocess.run(
        [sys.executable, script, *arguments],
        capture_output=True,
        text=True,
        env=env,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


@needs_fork
@pytest.mark.slow
def test_forked_workers_fit_every_model_as_their_parent_did(tmp_path):
    expected = f"{len(MODELS)} fits are those of their parent"
    assert run_jobs(tmp_path, EVERY_MODEL) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "method"),
    [
        pytest.param("used", "fork", marks=needs_fork),
        pytest.param("imported", "fork", marks=needs_fork),
        pytest.param("used", "forkserver", marks=needs_fork),
        ("used", "spawn"),
    ],
)
def test_workers_of_every_kind_give_the_same(tmp_path, before, method):
    assert run_jobs(tmp_path, OTHER_WAYS, before, method) == "equal"


@needs_fork
@pytest.mark.slow
def test_a_fork_of_a_fork(tmp_path):
    assert run_jobs(tmp_path, NESTED) == "equal"


# -- threads -------------------------------------------------------------------------


@every_model
def test_fits_in_threads_are_fits_alone(case):
    """While another thread draws from torch's global generator, and gets its own."""
    fewer = {"n_epochs": 4, "burn_in": 1}
    names = case.model.get_params()
    changes = {k: v for k, v in fewer.items() if k in names}
    if "dropout" in names:
        changes["dropout"] = 0.3
    data = small()

    def fit(_=None):
        return case.new(data, **changes).fit(data).score(np.arange(data.n_users))

    alone, stop, drawn = fit(), threading.Event(), []

    def draw():
        while not stop.is_set() or not drawn:
            drawn.append(torch.rand(3))

    before = torch.get_rng_state()
    with ThreadPoolExecutor(4) as pool:
        other = pool.submit(draw)
        together = list(pool.map(fit, range(3)))
        stop.set()
        other.result()
    for scores in together:
        np.testing.assert_array_equal(scores, alone)
    torch.set_rng_state(before)
    assert all(torch.equal(torch.rand(3), numbers) for numbers in drawn)


def test_parallel_loops_in_threads_are_those_of_one():
    """More rows than ``LONG``: one has the parallel loop, the others go without."""
    data = make_world(n_users=300, n_items=200, n_ratings=25_000).interactions

    def fit(kind):
        model = kind(n_factors=8, n_epochs=6).fit(data)
        return [row["loss"] for row in model.history_], model.score(np.arange(300))

    kinds = (ImplicitALS, ExplicitALS) * 3
    alone = {kind: fit(kind) for kind in set(kinds)}
    with ThreadPoolExecutor(6) as pool:
        for kind, (losses, scores) in zip(kinds, pool.map(fit, kinds), strict=True):
            np.testing.assert_array_equal(scores, alone[kind][1])
            assert losses == alone[kind][0]


def blas_threads():
    pools = threadpool_info()
    return {pool["num_threads"] for pool in pools if pool["user_api"] == "blas"}


def test_blas_has_its_threads_back_after_overlapping_contexts():
    """The first one in leaves first: what it restores is not what the second found."""
    with threadpool_limits(2, "blas"):
        first, second = one_blas_thread(), one_blas_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert blas_threads() == {1}, "the second is still within"
        second.__exit__(None, None, None)
        assert blas_threads() == {2}


def test_blas_has_its_threads_back_after_fits_in_threads():
    data = make_world(n_users=40, n_items=30, n_ratings=400).interactions

    def fit(seed):
        ImplicitALS(n_factors=3, n_epochs=60, random_state=seed).fit(data)

    with threadpool_limits(2, "blas"):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(fit, range(8)))
        assert blas_threads() == {2}


def test_a_fit_within_a_fit():
    """A callback fits another network: neither disturbs the other, nor waits for it."""
    data = make_world(n_users=20, n_items=15, n_ratings=200).interactions
    inner, found = DotModel(n_factors=2, n_epochs=2, random_state=8), []

    def look(model, epoch, logs):
        found.append(inner.clone().fit(data).score([0, 1]))

    outer = MultVAE(hidden=6, n_factors=2, n_epochs=3)
    watched = outer.clone().fit(data, callback=look).score([0, 1])
    np.testing.assert_array_equal(watched, outer.fit(data).score([0, 1]))
    for scores in found:
        np.testing.assert_array_equal(scores, inner.fit(data).score([0, 1]))


def test_draws_within_draws():
    """The inner context's draws are its own, and the outer's go on where they were."""
    with Draws(1):
        expected = torch.rand(2), torch.rand(2)
    with Draws(1):
        first = torch.rand(2)
        with Draws(2):
            middle = torch.rand(2)
        last = torch.rand(2)
    assert torch.equal(first, expected[0]) and torch.equal(last, expected[1])
    assert torch.equal(
        middle, torch.rand(2, generator=torch.Generator().manual_seed(2))
    )
