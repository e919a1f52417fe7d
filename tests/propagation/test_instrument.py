"""`instrument`: whatever way an application has come by its clients, they are traced, and back."""

from __future__ import annotations

import pytest

import propagation
from tests.propagation.zero_code import run

# Each makes a producer in another way; "before" ran before instrument() was called.
BEFORE = """
import confluent_kafka
import confluent_kafka.aio
from confluent_kafka import Producer, Consumer, SerializingProducer
from confluent_kafka.cimpl import Producer as Low
from confluent_kafka.aio import AIOProducer
import confluent_kafka.serializing_producer as inner
from confluent_kafka.serializing_producer import SerializingProducer as Inner

class Sub(Producer):
    def __init__(self, settings):
        super().__init__(settings)
        self.mine = 1

class Old(confluent_kafka.Producer):
    def __init__(self, settings):
        confluent_kafka.Producer.__init__(self, settings)

class SubSerializing(SerializingProducer): ...
class SubConsumer(Consumer): ...
early_sub = Sub(client)
"""
SITES = {
    "the package's name": "confluent_kafka.Producer(client)",
    "a name imported before": "Producer(client)",
    "the C module's name": "Low(client)",
    "a subclass from before": "Sub(client)",
    "a subclass that names its base": "Old(client)",
    "an object of a subclass from before": "early_sub",
    "a serializing producer": "SerializingProducer(client)",
    "a generic one with its types": "SerializingProducer[str, str](client)",
    "a subclass of that": "SubSerializing(client)",
    "an inner module": "inner.SerializingProducer(client)",
    "an inner module by its path": (
        "confluent_kafka.serializing_producer.SerializingProducer(client)"
    ),
    "a name from an inner module": "Inner(client)",
    "a subclass from after, as AvroProducer is one": "Encoding(client)",
}


def test_every_way_to_a_producer_is_traced(bootstrap_servers: str) -> None:
    """Names, subclasses and generics, imported before or after: one header on each message."""
    app = (
        BEFORE
        + """
from propagation import Consumer as Reader, instrument
from propagation.testing import captured_spans
from tests.propagation.zero_code import first, told_of, trace_of
instrument()

class Encoding(Producer):
    def produce(self, topic, value=None, key=None, **kwargs):
        super(Encoding, self).produce(topic, value, key, **kwargs)

with captured_spans() as spans:
    for place, make in SITES.items():
        producer = eval(make)
        name = topic + place.replace(" ", "-").replace("'", "")
        producer.produce(name, key=b"k", value=b"v")
        producer.flush(60)
        with Reader({**group, "group.id": name}) as reader:
            reader.subscribe([name])
            told[place] = len(trace_of(first(reader)))
told["spans"] = len(spans)
"""
    ).replace("SITES", repr(SITES))

    told, _ = run(app, bootstrap_servers)

    assert told == {**dict.fromkeys(SITES, 1), "spans": len(SITES)}


def test_inner_modules_have_the_same_names(bootstrap_servers: str) -> None:
    """Whichever module a client is imported from, it is the same class; and back."""
    told, _ = run(
        """
        import sys
        from importlib import import_module
        from propagation import instrument, uninstrument
        import confluent_kafka.aio

        INNER = {
            "confluent_kafka.serializing_producer": ["SerializingProducer"],
            "confluent_kafka.deserializing_consumer": ["DeserializingConsumer"],
            "confluent_kafka.deserializing_share_consumer": ["DeserializingShareConsumer"],
            "confluent_kafka.aio.producer": ["AIOProducer"],
            "confluent_kafka.aio.producer._AIOProducer": ["AIOProducer"],
            "confluent_kafka.aio._AIOConsumer": ["AIOConsumer"],
            "confluent_kafka.aio._AsyncSerializingProducer":
                ["AsyncSerializingProducer", "AIOProducer"],
            "confluent_kafka.aio._AsyncDeserializingConsumer":
                ["AsyncDeserializingConsumer", "AIOConsumer"],
        }

        def found():
            return [getattr(import_module(inner), name) for inner in INNER for name in INNER[inner]]

        def public():
            return [getattr(confluent_kafka, name, None) or getattr(confluent_kafka.aio, name)
                    for names in INNER.values() for name in names]

        def inner_attributes():
            return [confluent_kafka.serializing_producer, confluent_kafka.aio.producer,
                    confluent_kafka.aio.producer._AIOProducer, confluent_kafka.aio._AIOConsumer]

        def ids(them):
            return [id(one) for one in them]

        real, modules = found(), inner_attributes()
        told["missing"] = [
            name for name, module in list(sys.modules.items())
            if name.startswith("confluent_kafka.") and name not in INNER
            and name not in ("confluent_kafka.aio", "confluent_kafka.cimpl")
            and any(one in real for one in vars(module).values() if isinstance(one, type))]
        instrument()
        told["same"] = found() == public()
        told["other"] = [one for one in found() if one in real]
        told["attributes"] = [
            one is sys.modules[one.__name__] for one in inner_attributes()]
        uninstrument()
        told["back"] = found() == real and ids(inner_attributes()) == ids(modules)
        """,
        bootstrap_servers,
    )

    assert told == {
        "missing": [],
        "same": True,
        "other": [],
        "attributes": [True] * 4,
        "back": True,
    }


def test_an_async_client_of_an_inner_module_is_traced(bootstrap_servers: str) -> None:
    """Producer and consumer, imported by their whole path: one header, one trace."""
    told, _ = run(
        """
        import asyncio
        from confluent_kafka.aio.producer._AIOProducer import AIOProducer as Early
        from propagation import instrument
        instrument()
        from confluent_kafka.aio._AIOConsumer import AIOConsumer
        from propagation.testing import captured_spans
        from tests.propagation.zero_code import told_of, trace_of, traced_span

        async def play():
            producer = Early(dict(client))
            await (await producer.produce(topic, b"v"))
            await producer.close()
            async with AIOConsumer(dict(group)) as consumer:
                await consumer.subscribe([topic])
                while (message := await consumer.poll(1)) is None:
                    pass
                told["header"] = trace_of(message)
                told["current"] = [traced_span()[0]]

        with captured_spans() as spans:
            asyncio.run(play())
        told["spans"] = told_of(spans)
        """,
        bootstrap_servers,
    )

    send, process = told["spans"]
    assert told["header"] == told["current"] == [send["trace"]]
    assert (process["trace"], process["parent"]) == (send["trace"], send["span"])


@pytest.mark.parametrize("first", ["instrument", "avro"])
def test_the_avro_clients_are_traced(bootstrap_servers: str, first: str) -> None:
    """The client library's own subclasses, imported before or after, and real again afterwards."""
    told, stderr = run(
        f"""
        import logging, sys, types, warnings
        logging.basicConfig()
        warnings.simplefilter("ignore", DeprecationWarning)
        for name in ("avro", "avro.io", "avro.schema"):  # what it imports, and does not use here
            sys.modules[name] = types.ModuleType(name)
        sys.modules["avro"].io = sys.modules["avro.io"]
        sys.modules["avro"].schema = sys.modules["avro.schema"]
        from propagation import instrument, uninstrument
        if "{first}" == "instrument":
            instrument()
        from confluent_kafka.avro import AvroConsumer, AvroProducer
        instrument()
        """
        """
        from propagation.testing import captured_spans
        from tests.propagation.zero_code import first, told_of, trace_of, traced_span
        registry = {"schema.registry.url": "http://127.0.0.1:1"}

        def send():
            producer = AvroProducer(client | registry)
            producer.produce(topic=topic)
            producer.flush(60)

        with captured_spans() as spans:
            send()
            with AvroConsumer(group | registry) as consumer:
                consumer.subscribe([topic])
                told["header"] = trace_of(first(consumer))
                told["current"] = [traced_span()[0]]
            uninstrument()
            send()
        told["spans"] = told_of(spans)
        """,
        bootstrap_servers,
    )

    send, process = told["spans"]
    assert told["header"] == told["current"] == [send["trace"]] == [process["trace"]]
    assert "clients_not_reached" not in stderr


def test_objects_are_of_the_classes_they_were_of(bootstrap_servers: str) -> None:
    """The class checks say what they said: of early, raw, explicit and new clients."""
    told, _ = run(
        BEFORE
        + """
raw = Producer(client)
import propagation
propagation.instrument()
one = confluent_kafka.Producer
told["objects"] = [isinstance(each, one) for each in (
    raw, early_sub, Sub(client), Producer(client), SerializingProducer(client),
    propagation.Producer(client), propagation.SerializingProducer(client))]
told["classes"] = [issubclass(each, one) for each in (
    Sub, Old, SerializingProducer, SubSerializing, propagation.Producer, one)]
told["others"] = [isinstance(raw, Sub), isinstance(5, one), isinstance(raw, Consumer),
                  issubclass(Sub, SubSerializing), issubclass(int, one)]
class New(Producer): ...
told["new"] = [isinstance(New(client), one), isinstance(raw, New)]
""",
        bootstrap_servers,
    )

    assert set(told["objects"]) == set(told["classes"]) == {True}
    assert set(told["others"]) == {False}
    assert told["new"] == [True, False]


def test_wrong_calls_get_the_real_answers(bootstrap_servers: str) -> None:
    """Of every synchronous class, in place of the real one or imported from here.

    What is no configuration or no callback, what is closed, what can be pickled, copied, measured.
    """
    told, _ = run(
        """
        import copy, pickle
        import confluent_kafka
        import confluent_kafka.aio as aio
        import propagation
        from propagation import instrument

        def answer(call):
            try:
                return str(type(call()).__name__).replace("Lenient", "type")
            except Exception as error:
                return f"{type(error).__name__}: {error}".replace("cimpl.", "")

        def answers(name, package):
            kind = getattr(package, name)
            settings = client if "Producer" in name else {**client, "group.id": "g"}
            one = kind(settings)
            calls = {
                "nothing": lambda: kind(), "number": lambda: kind(5), "list": lambda: kind([1]),
                "empty": lambda: kind({}), "keywords": lambda: kind(settings, log_level=0),
                "callback": lambda: kind({**settings, "error_cb": 5}),
                "setting": lambda: kind({**settings, "no.such": 1}),
                "poll": lambda: one.poll("x"), "iterate": lambda: iter(one),
                "length": lambda: len(one), "truth": lambda: bool(one), "hash": lambda: hash(one),
                "pickle": lambda: pickle.dumps(one), "copy": lambda: copy.copy(one),
                "deep copy": lambda: copy.deepcopy(one),
                "subscribe": lambda: one.subscribe("x"), "rebalance": lambda: one.subscribe([], 5),
                "acknowledged": lambda: one.set_acknowledgement_commit_callback(5),
                "enter": lambda: one.__enter__() is one, "exit": lambda: one.__exit__(0, 0, 0),
                "close": lambda: one.close(), "closed": lambda: one.poll(0),
            }
            return {f"{name} {call}": answer(calls[call]) for call in calls}

        NAMES = ("Producer", "Consumer", "ShareConsumer", "SerializingProducer",
                 "DeserializingConsumer", "DeserializingShareConsumer")

        def all_answers(package, names):
            return {k: v for name in names for k, v in answers(name, package).items()}

        def differ(ours):
            return {call: [real[call], ours[call]] for call in ours if ours[call] != real[call]}

        real = all_answers(confluent_kafka, NAMES)
        explicit = [name for name in NAMES if hasattr(propagation, name)]
        told["explicit differ"] = differ(all_answers(propagation, explicit))
        instrument()
        told["differ"] = differ(all_answers(confluent_kafka, NAMES))
        told["calls"] = len(real)
        kinds = [getattr(confluent_kafka, name) for name in NAMES]
        kinds += [getattr(aio, name) for name in aio.__all__]
        told["by name"] = [pickle.loads(pickle.dumps(kind)) is kind for kind in kinds]
        """,
        bootstrap_servers,
    )

    assert told["differ"] == told["explicit differ"] == {}
    assert told["calls"] == 6 * 22
    assert told["by name"] == [True] * 10


def test_where_nothing_was_there_before_any_metaclass_goes(bootstrap_servers: str) -> None:
    """An application that is instrumented first may subclass clients in every way it could."""
    told, _ = run(
        """
        from propagation import instrument
        instrument()
        import abc
        from confluent_kafka import Producer

        class Single(type): ...
        class One(Producer, metaclass=Single): ...
        class Abstract(Producer, abc.ABC): ...
        told["made"] = [len(One(client)), len(Abstract(client))]
        told["type"] = type(Producer).__name__
        told["error"] = ""
        try:
            Producer(5)
        except TypeError as error:
            told["error"] = str(error)
        """,
        bootstrap_servers,
    )

    assert told["made"] == [0, 0]
    assert told["type"] == "type"
    assert told["error"]


@pytest.mark.parametrize("cycles", [1, 3])
def test_uninstrument_restores_everything(bootstrap_servers: str, cycles: int) -> None:
    """Names, bases, methods and the module's state are as they were, after every cycle."""
    told, stderr = run(
        BEFORE
        + f"""
import sys
from propagation import instrument, uninstrument
from propagation.testing import captured_spans

def state():
    found = {{name: {{k: id(v) for k, v in vars(module).items()}}
             for name, module in list(sys.modules.items())
             if name.startswith("confluent_kafka") or name == "__main__"}}
    found["__main__"] = {{k: v for k, v in found["__main__"].items() if k[0].isupper()}}
    found["bases"] = [str(kind.__mro__) for kind in (Sub, Old, SubSerializing, SubConsumer)]
    return found

with captured_spans() as spans:
    before = state()
    for _ in range({cycles}):
        instrument()
        made = Producer(client); meanwhile = Sub(client); serializing = SerializingProducer(client)
        consumer = Consumer(group)
        uninstrument()
    after = state()
    for producer in (Producer(client), Sub(client), made, meanwhile, serializing):
        producer.produce(topic, key=b"k", value=b"v")
        producer.flush(60)
    consumer.subscribe([topic])
    from tests.propagation.zero_code import first, trace_of, traced_span
    got = [trace_of(first(consumer)) for _ in range(5)]
    told["current"] = traced_span()[0]
    consumer.close()
told |= {{"headers": got, "spans": len(spans)}}
told["changed"] = [name for name in after if after[name] != before.get(name)]
""",
        bootstrap_servers,
    )

    assert told["changed"] == []
    assert told["headers"] == [[]] * 5
    assert told["spans"] == 0
    assert told["current"] == "0" * 32
    assert "Traceback" not in stderr


def test_cycles_do_not_grow(bootstrap_servers: str) -> None:
    """What is made for instrumenting is made once."""
    told, _ = run(
        """
        import gc
        from propagation import instrument, uninstrument
        counts = []
        for _ in range(4):
            instrument()
            uninstrument()
            gc.collect()
            counts.append(len(gc.get_objects()))
        told["grown"] = counts[-1] - counts[0]
        """,
        bootstrap_servers,
    )

    assert told["grown"] < 10


def test_instrumenting_twice_is_instrumenting_once(bootstrap_servers: str) -> None:
    """One header, one span; another scope replaces the first; undoing nothing does nothing."""
    told, _ = run(
        """
        from propagation import instrument, uninstrument
        from propagation.testing import captured_spans
        from tests.propagation.zero_code import first, told_of, trace_of, traced_span
        uninstrument()
        instrument(); instrument(); instrument(scope="none")
        from confluent_kafka import Consumer, Producer
        with captured_spans() as spans:
            producer = Producer(client)
            producer.produce(topic, b"v"); producer.flush(60)
            with Consumer(group) as consumer:
                consumer.subscribe([topic])
                told["headers"] = len(trace_of(first(consumer)))
                told["current"] = traced_span()[0]
        told["spans"] = [span["name"] for span in told_of(spans)]
        uninstrument(); uninstrument()
        """,
        bootstrap_servers,
    )

    assert told["headers"] == 1
    assert told["current"] == "0" * 32
    assert len(told["spans"]) == 1


def test_options_hold_where_none_are_given(bootstrap_servers: str) -> None:
    """For held scopes, scopes by name, producers and early clients. Own options go before them.

    Called again, other options hold for what comes then; after uninstrument() none do.
    """
    told, _ = run(
        """
        import asyncio
        import confluent_kafka
        from confluent_kafka import Consumer, Producer
        from confluent_kafka.aio import AIOConsumer
        import propagation
        from opentelemetry import baggage, context
        from propagation import Options, TopicPolicy, context_of, instrument, uninstrument
        from propagation import processing, processing_batch
        from propagation.testing import captured_spans
        from tests.propagation.zero_code import first, trace_of, traced_span

        class Early(Consumer):
            def __init__(self, settings):
                super().__init__(settings)
                self.mine = 1

        class EarlyProducer(Producer): ...

        STRANGE = "00-" + "5" * 32 + "-" + "6" * 16 + "-01"
        strangers = TopicPolicy("plays.*", trust="ignore")
        real = Producer(client)
        real.produce(topic, b"v", headers={"traceparent": STRANGE}); real.flush(60)
        early = Early({**group, "group.id": topic + "early"})

        def current(consumer):
            with consumer:
                consumer.subscribe([topic])
                message = first(consumer)
                return message, traced_span()[0]

        async def current_async():
            async with AIOConsumer({**group, "group.id": topic + "aio"}) as consumer:
                await consumer.subscribe([topic])
                while await consumer.poll(1) is None:
                    pass
                return traced_span()[0]

        def with_others(**more):
            with processing(message, **more):
                one = traced_span()[0]
            with processing_batch([message], **more) as batch:
                return one, len(batch.links)

        with captured_spans() as spans:
            instrument(options=Options((strangers,), baggage_keys={"tenant"}))
            told["early"] = current(early)[1]
            message, told["held"] = current(Consumer(group))
            told["async"] = asyncio.run(current_async())
            told["scope"] = with_others()
            told["own"] = with_others(options=Options())
            believer = propagation.Consumer({**group, "group.id": "b"}, options=Options())
            told["of a consumer"] = with_others(consumer=believer)
            told["carried"] = len(context_of(message))
            token = context.attach(baggage.set_baggage("tenant", "t"))
            for kind in (Producer, EarlyProducer, propagation.Producer):
                with kind(client) as producer:
                    producer.produce(topic + "sent", b"v")
            context.detach(token)
            reader = confluent_kafka.Consumer({**group, "group.id": "r"})
            reader.subscribe([topic + "sent"])
            told["baggage"] = [dict(first(reader).headers()).get("baggage") == b"tenant=t"
                               for _ in range(3)]
            instrument(options=Options((TopicPolicy(relation="link"),)))
            told["other"] = with_others()
            instrument(scope="none")
            told["none"] = with_others()
            uninstrument()
            instrument(options=Options((strangers,)))
            uninstrument()
            told["after"] = with_others()
        """,
        bootstrap_servers,
    )

    strange, nothing = "5" * 32, "0" * 32
    for place in ("early", "held", "async"):
        assert told[place] not in {strange, nothing}
    ignored, links = told["scope"]
    assert ignored not in {strange, nothing}
    assert links == told["carried"] == 0
    assert told["own"] == told["of a consumer"] == told["none"] == told["after"] == [strange, 1]
    other, links = told["other"]
    assert other not in {strange, nothing}
    assert links == 1
    assert told["baggage"] == [True] * 3


def test_an_unknown_scope_is_refused() -> None:
    """Nothing is changed then."""
    with pytest.raises(ValueError, match=r"scope='message' must be one of poll, none"):
        propagation.instrument(scope="message")  # type: ignore[arg-type]


def test_what_could_not_be_reached_is_named_in_one_line(bootstrap_servers: str) -> None:
    """Objects from before, closures, defaults, containers, attributes: what and where.

    Subclasses whose instances have slots alone, too: they have no room, and work as they did.
    """
    told, stderr = run(
        """
        import logging
        from functools import partial
        from confluent_kafka import Consumer, Producer
        raw = Producer(client), Producer(client)

        def factory():
            kind = Producer
            return lambda settings: kind(settings)

        def default(settings, kind=Consumer): ...
        made_by, registry, later = factory(), {"plays": Producer}, partial(Producer, client)

        class Service:
            kind = Consumer

        class Keeper:
            def __init__(self, kind):
                self.kind = kind

        keeper = Keeper(Consumer)

        class Slim(Consumer):
            __slots__ = ("mine",)

        logging.basicConfig()
        import propagation
        propagation.instrument()
        slim = Slim(group)
        told["slim"] = [type(slim).__name__, slim.poll(0), isinstance(slim, Consumer)]
        """,
        bootstrap_servers,
    )

    assert told == {"slim": ["Slim", None, True]}
    [line] = [line for line in stderr.splitlines() if "clients_not_reached" in line]
    assert line.startswith("WARNING:propagation.instrument:")
    for place in (
        "2 Producer made before",
        "Producer in __main__.factory.<locals>.<lambda>",
        "Consumer in __main__.default",
        "Producer in __main__.registry",
        "Producer in a functools.partial",
        "Consumer in __main__.Service",
        "Consumer in a __main__.Keeper",
        "subclass Slim",
    ):
        assert place in line


def test_where_all_was_reached_nothing_is_said(bootstrap_servers: str) -> None:
    """Names and subclasses from before are no reason to warn."""
    _, stderr = run(
        BEFORE + "import logging; logging.basicConfig()\nimport propagation\n"
        "propagation.instrument()\n",
        bootstrap_servers,
    )

    assert stderr == ""


def test_strangers_objects_are_not_asked_for_anything(bootstrap_servers: str) -> None:
    """Lazy objects stay lazy, and those that raise at every touch do not disturb."""
    told, stderr = run(
        """
        import sys, types
        touched = []

        class Touchy:
            def __getattribute__(self, name):
                touched.append(name)
                raise RuntimeError("outside of a request")
            def __eq__(self, other):
                touched.append("==")
            __hash__ = None

        class Lazy(types.ModuleType):
            def __getattribute__(self, name):
                touched.append(name)
                return super().__getattribute__(name)

        class Unhashable(type):
            __hash__ = None

        class Odd(metaclass=Unhashable): ...
        one, many, kept = Touchy(), [Touchy()], {"a": Touchy()}
        sys.modules["lazy"] = Lazy("lazy")
        import propagation
        touched.clear()
        propagation.instrument()
        propagation.uninstrument()
        told["touched"] = touched
        """,
        bootstrap_servers,
    )

    assert told["touched"] == []
    assert stderr == ""
