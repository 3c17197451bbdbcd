"""Fixtures shared by the tests of tracking."""

import pytest
from tracked_study import Tracked


@pytest.fixture(scope="session")
def database(tmp_path_factory):
    """A database with MLflow's tables, which take seconds to make."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def tracked(tmp_path, database):
    """The study, with its results and an MLflow that has no run yet."""
    return Tracked(tmp_path, database)
