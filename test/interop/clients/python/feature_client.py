"""Calls a feature server by grpcio, as interop_call.proto says.

Usage: feature_client.py DESCRIPTORS HOST:PORT. DESCRIPTORS is interop_call.proto and what it imports, as protoc describes them.
"""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

METHOD = "/feast.serving.ServingService/GetOnlineFeatures"
DEFAULT_TIMEOUT_MS = 20_000
MAX_RESPONSE_BYTES = 64 << 20


def load_messages(path):
    """The classes of all messages, by full name."""
    with open(path, "rb") as file:
        files = descriptor_pb2.FileDescriptorSet.FromString(file.read()).file
    pool = descriptor_pool.DescriptorPool()
    for each in files:
        pool.Add(each)
    return message_factory.GetMessageClassesForFiles([each.name for each in files], pool)


class FeatureClient:
    def __init__(self, messages, target):
        self.outcome_type = messages["sideboard.interop.Outcome"]
        self.channel = grpc.insecure_channel(target, options=[("grpc.max_receive_message_length", MAX_RESPONSE_BYTES)])
        self.method = self.channel.unary_unary(
            METHOD,
            request_serializer=messages["feast.serving.GetOnlineFeaturesRequest"].SerializeToString,
            response_deserializer=messages["feast.serving.GetOnlineFeaturesResponse"].FromString,
        )

    def send(self, call):
        metadata = [*call.metadata.items(), *call.binary_metadata.items()]
        future = self.method.future(
            call.request,
            timeout=(call.timeout_ms or DEFAULT_TIMEOUT_MS) / 1000,
            metadata=metadata,
            compression=grpc.Compression.Gzip if call.gzip else None,
        )
        if call.cancel_after_ms:
            threading.Timer(call.cancel_after_ms / 1000, future.cancel).start()
        outcome = self.outcome_type()
        try:
            outcome.response.CopyFrom(future.result())
            outcome.code = "OK"
        except grpc.FutureCancelledError:
            outcome.code = "CANCELLED"
        except grpc.RpcError as error:
            outcome.code = error.code().name
            outcome.message = error.details() or ""
        for name, value in future.trailing_metadata() or ():
            if name.endswith("-bin"):
                outcome.binary_trailers[name] = value
            else:
                outcome.trailers[name] = value
        return outcome

    def run(self, call):
        time.sleep(call.wait_ms / 1000)
        ends_at = time.monotonic() + call.repeat_ms / 1000
        count = max(1, call.parallel)
        outcome = None
        with ThreadPoolExecutor(count) as threads:
            while outcome is None or time.monotonic() < ends_at:
                for answer in list(threads.map(self.send, [call] * count)):
                    if outcome is None:
                        outcome, first = answer, answer.response
                    self.add(outcome, answer, first)
        return outcome

    @staticmethod
    def add(outcome, answer, first):
        outcome.call_count += 1
        if answer.code != "OK":
            if outcome.failed_count == 0:
                outcome.code, outcome.message = answer.code, answer.message
            outcome.failed_count += 1
        elif answer.response != first:
            outcome.different_count += 1


def main():
    descriptors, target = sys.argv[1:]
    messages = load_messages(descriptors)
    client = FeatureClient(messages, target)
    for line in sys.stdin:
        call = json_format.Parse(line, messages["sideboard.interop.Call"]())
        print(json_format.MessageToJson(client.run(call), indent=None), flush=True)


main()
