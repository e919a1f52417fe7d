"""Make the sampler that the settings ask for.

In: `Settings`. Out: one sampler: the specification's, this package's own, or one that another
package offers under the entry point ``opentelemetry_traces_sampler``, as OpenTelemetry's own set-up
takes it: a callable that is given OTEL_TRACES_SAMPLER_ARG and gives a sampler.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import sampling

from propagation.sdk.environment import SAMPLER_GROUP, SAMPLERS, SettingsError
from propagation.sdk.sampling import NAME, RateLimited

if TYPE_CHECKING:
    from propagation.sdk.environment import Settings


def made_sampler(settings: Settings) -> sampling.Sampler:
    """Make what *settings* names. Raises SettingsError where a foreign one cannot be made."""
    if settings.sampler not in SAMPLERS:
        return _foreign(settings.sampler, settings.sampler_argument)
    if settings.sampler == NAME:
        return sampling.ParentBased(RateLimited(settings.spans_per_second))
    name = settings.sampler.removeprefix("parentbased_")
    root: sampling.Sampler = {
        "always_on": sampling.ALWAYS_ON,
        "always_off": sampling.ALWAYS_OFF,
    }.get(name) or sampling.TraceIdRatioBased(settings.ratio)
    return sampling.ParentBased(root) if name != settings.sampler else root


def _foreign(name: str, argument: str) -> sampling.Sampler:
    [found, *_] = entry_points(group=SAMPLER_GROUP, name=name)
    try:
        sampler = found.load()(argument)
    except Exception as error:  # somebody else's code, at the start of a service
        raise SettingsError([f"OTEL_TRACES_SAMPLER={name!r} failed: {error!r}"]) from error
    if not isinstance(sampler, sampling.Sampler):
        kind = type(sampler).__qualname__
        raise SettingsError([f"OTEL_TRACES_SAMPLER={name!r} gave no sampler but {kind}"])
    return sampler
