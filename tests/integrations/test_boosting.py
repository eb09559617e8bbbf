"""XGBoost, LightGBM and CatBoost: models, and the metrics of a training."""

from __future__ import annotations

import numpy
import pytest
from support import frameworks
from support.saved_models import input_ids, outputs, summary

from localreg import Task

xgboost = frameworks.wanted("xgboost")
lightgbm = frameworks.wanted("lightgbm")
catboost = frameworks.wanted("catboost")

PLACES = [
    (xgboost, "train"), (xgboost.training, "train"), (xgboost.sklearn, "train"),
    (xgboost.Booster, "save_model"), (xgboost.Booster, "load_model"),
    (lightgbm, "train"), (lightgbm.engine, "train"), (lightgbm.sklearn, "train"),
    (lightgbm.Booster, "save_model"), (lightgbm.Booster, "__init__"),
    (catboost.CatBoost, "fit"), (catboost.CatBoostClassifier, "fit"),
    (catboost.CatBoostRegressor, "fit"), (catboost.CatBoostRanker, "fit"),
    (catboost.CatBoost, "save_model"), (catboost.CatBoost, "load_model"),
]  # fmt: skip
ORIGINALS = [vars(owner)[name] for owner, name in PLACES]
train = xgboost.train
ROUNDS = 4


@pytest.fixture
def data():
    generator = numpy.random.default_rng(0)
    inputs = generator.normal(size=(80, 3))
    return inputs, (inputs.sum(axis=1) > 0).astype(int)


def charts(task):
    """Return the iterations and the first value of each series, by chart and series."""
    return {
        title: {name: (points["x"], points["y"][0]) for name, points in series.items()}
        for title, series in task.get_reported_scalars().items()
    }


def iterations(task):
    return {
        title: {name: [*at] for name, (at, _) in series.items()}
        for title, series in charts(task).items()
    }


class TestXGBoost:
    @pytest.fixture
    def matrix(self, data):
        return xgboost.DMatrix(*data)

    def test_metrics_are_scalars_of_their_data_set(self, localreg_registry, data, matrix):
        task = Task.init(task_name="train")
        told = {}
        for fit in (xgboost.train, train):  # one was imported before
            fit(
                {"objective": "binary:logistic", "eval_metric": ["logloss", "error"]}, matrix,
                ROUNDS, evals=[(matrix, "train"), (matrix, "valid")], evals_result=told,
                verbose_eval=False,
            )  # fmt: skip
        xgboost.XGBClassifier(n_estimators=ROUNDS, verbosity=0).fit(
            *data, eval_set=[data], verbose=False
        )
        task.close()
        each = {"logloss": [*range(ROUNDS)], "error": [*range(ROUNDS)]}
        assert iterations(task) == {
            "train": each,
            "valid": each,
            "train - 1": each,
            "valid - 1": each,
            "validation_0 - 2": {"logloss": [*range(ROUNDS)]},
        }
        assert charts(task)["train"]["logloss"][1] == pytest.approx(told["train"]["logloss"][0])

    def test_models(self, localreg_registry, tmp_path, data, matrix):
        task = Task.init(task_name="train")
        booster = xgboost.train({}, matrix, 2)
        for _ in range(2):
            booster.save_model(tmp_path / "tree.json")
        model = xgboost.XGBClassifier(n_estimators=2).fit(*data)
        model.save_model(str(tmp_path / "sklearn.ubj"))
        task.close()
        assert summary(task) == {
            "tree": ("XGBoost", "tree.json", 2),
            "sklearn": ("XGBoost", "sklearn.ubj", 1),
        }
        later = Task.init(task_name="evaluate")
        xgboost.Booster(model_file=tmp_path / "tree.json")
        xgboost.XGBClassifier().load_model(outputs(task)["sklearn"].get_local_copy())
        xgboost.Booster().load_model(booster.save_raw())
        later.close()
        assert input_ids(later) == [each.id for each in outputs(task).values()]


class TestLightGBM:
    @pytest.fixture
    def quiet(self):
        return {"objective": "binary", "verbose": -1, "num_leaves": 3, "min_data_in_leaf": 1}

    @pytest.mark.filterwarnings("ignore:The argument 'eval_set'")
    def test_metrics_and_parameters(self, localreg_registry, data, quiet):
        task = Task.init(task_name="train")
        dataset = lightgbm.Dataset(*data)
        told = {}
        own = lightgbm.record_evaluation(told)
        given = [own]
        lightgbm.train(
            quiet, dataset, ROUNDS, valid_sets=[dataset], valid_names=["valid"], callbacks=given
        )
        assert task.get_parameters()["General/num_leaves"] == "3"
        lightgbm.LGBMClassifier(n_estimators=ROUNDS, verbose=-1).fit(*data, eval_set=[data])
        task.close()
        series = {"binary_logloss": [*range(ROUNDS)]}
        assert iterations(task) == {"valid": series, "training": series}
        first = charts(task)["valid"]["binary_logloss"][1]
        assert first == pytest.approx(told["valid"]["binary_logloss"][0])
        assert given == [own]

    def test_a_run_again_trains_with_the_parameters_of_the_task(
        self, localreg_registry, data, quiet, monkeypatch
    ):
        first = Task.init(task_name="train")
        lightgbm.train(quiet, lightgbm.Dataset(*data), 1)
        first.close()
        first.set_parameter("General/num_leaves", 2)
        monkeypatch.setenv("LOCALREG_TASK_ID", first.id)
        again = Task.init(task_name="train")
        booster = lightgbm.train(quiet, lightgbm.Dataset(*data), 1)
        again.close()
        assert booster.params["num_leaves"] == 2
        assert booster.num_trees() == 1

    def test_models(self, localreg_registry, tmp_path, data, quiet):
        task = Task.init(task_name="train")
        booster = lightgbm.train(quiet, lightgbm.Dataset(*data), 1)
        booster.save_model(tmp_path / "tree.txt")
        task.close()
        assert summary(task) == {"tree": ("LightGBM", "tree.txt", 1)}
        later = Task.init(task_name="evaluate")
        lightgbm.Booster(model_file=tmp_path / "tree.txt")
        lightgbm.Booster(model_str=booster.model_to_string())
        later.close()
        assert input_ids(later) == [outputs(task)["tree"].id]


class TestCatBoost:
    @pytest.fixture
    def options(self, tmp_path):
        return {"iterations": ROUNDS, "verbose": False, "train_dir": str(tmp_path / "info")}

    def test_metrics_are_scalars_of_their_data_set(self, localreg_registry, data, options):
        task = Task.init(task_name="train")
        model = catboost.CatBoostClassifier(**options)
        model.fit(*data, eval_set=data)
        catboost.train(catboost.Pool(*data), {"loss_function": "RMSE", **options})
        task.close()
        every = [*range(1, ROUNDS + 1)]  # as CatBoost counts them
        assert iterations(task) == {
            "learn": {"Logloss": every},
            "validation": {"Logloss": every},
            "learn - 1": {"RMSE": every},
        }
        told = model.get_evals_result()["learn"]["Logloss"]
        assert charts(task)["learn"]["Logloss"][1] == pytest.approx(told[0])

    def test_models(self, localreg_registry, tmp_path, data, options):
        task = Task.init(task_name="train")
        model = catboost.CatBoostRegressor(**options).fit(*data)
        model.save_model(str(tmp_path / "cat.cbm"))
        task.close()
        assert summary(task) == {"cat": ("CatBoost", "cat.cbm", 1)}
        later = Task.init(task_name="evaluate")
        catboost.CatBoost().load_model(str(tmp_path / "cat.cbm"))
        later.close()
        assert input_ids(later) == [outputs(task)["cat"].id]


def test_a_library_that_is_off_reports_nothing(localreg_registry, tmp_path, data):
    off = dict.fromkeys(["xgboost", "lightgbm", "catboost"], False)
    task = Task.init(task_name="train", auto_connect_frameworks=off)
    matrix = xgboost.DMatrix(*data)
    xgboost.train({}, matrix, 1, evals=[(matrix, "a")], verbose_eval=False)
    dataset = lightgbm.Dataset(*data)
    lightgbm.train({"verbose": -1}, dataset, 1, valid_sets=[dataset])
    catboost.CatBoostClassifier(iterations=1, verbose=False, train_dir=str(tmp_path)).fit(*data)
    task.close()
    assert iterations(task) == {}
    assert task.get_parameters() == {}


def test_all_is_restored(localreg_registry):
    task = Task.init(task_name="train")
    now = [vars(owner)[name] for owner, name in PLACES]
    assert not any(one is other for one, other in zip(now, ORIGINALS, strict=True))
    task.close()
    assert [vars(owner)[name] for owner, name in PLACES] == ORIGINALS
    assert train is xgboost.train
