"""The one table of what differs between one category and several tags when bundles are read and used."""

from typing import NamedTuple

from titleclf.runtime.calibration import NO_TAG_TEMPERATURE, NO_TEMPERATURE, TagTemperature, Temperature
from titleclf.runtime.choices import Task
from titleclf.runtime.thresholds import TagThresholds, Thresholds


class TaskTypes(NamedTuple):
    """The types of a model's temperature and thresholds, and their values before anything is fitted."""

    temperature: type[Temperature] | type[TagTemperature]
    thresholds: type[Thresholds] | type[TagThresholds]
    no_temperature: Temperature | TagTemperature
    no_thresholds: Thresholds | TagThresholds


TASKS = {
    Task.single: TaskTypes(Temperature, Thresholds, NO_TEMPERATURE, Thresholds(precisions=[], least={}, wishes={})),
    Task.multilabel: TaskTypes(
        TagTemperature,
        TagThresholds,
        NO_TAG_TEMPERATURE,
        TagThresholds(precisions=[], least={}, wishes={}, named={}),
    ),
}
