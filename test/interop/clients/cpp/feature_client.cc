// Calls a feature server by gRPC's C++ library, as interop_call.proto says. Argument: host:port.
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "feast/serving/ServingService.grpc.pb.h"
#include "interop_call.pb.h"

using feast::serving::GetOnlineFeaturesResponse;
using feast::serving::ServingService;
using google::protobuf::util::MessageDifferencer;
using sideboard::interop::Call;
using sideboard::interop::Outcome;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using std::chrono::system_clock;

namespace {

constexpr int kDefaultTimeoutMs = 20000;
constexpr int kMaxResponseBytes = 64 << 20;

const std::map<grpc::StatusCode, std::string> kCodes = {
    {grpc::OK, "OK"},
    {grpc::CANCELLED, "CANCELLED"},
    {grpc::UNKNOWN, "UNKNOWN"},
    {grpc::INVALID_ARGUMENT, "INVALID_ARGUMENT"},
    {grpc::DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"},
    {grpc::NOT_FOUND, "NOT_FOUND"},
    {grpc::RESOURCE_EXHAUSTED, "RESOURCE_EXHAUSTED"},
    {grpc::UNIMPLEMENTED, "UNIMPLEMENTED"},
    {grpc::INTERNAL, "INTERNAL"},
    {grpc::UNAVAILABLE, "UNAVAILABLE"},
    {grpc::DATA_LOSS, "DATA_LOSS"},
};

std::string CodeName(grpc::StatusCode code) {
  const auto found = kCodes.find(code);
  return found == kCodes.end() ? std::to_string(code) : found->second;
}

void Fail(const std::string& message) {
  std::cerr << message << std::endl;
  std::exit(1);
}

Outcome Send(ServingService::Stub& stub, const Call& call) {
  grpc::ClientContext context;
  const int timeout_ms = call.timeout_ms() == 0 ? kDefaultTimeoutMs : call.timeout_ms();
  context.set_deadline(system_clock::now() + milliseconds(timeout_ms));
  if (call.gzip()) context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  for (const auto& [name, value] : call.metadata()) context.AddMetadata(name, value);
  for (const auto& [name, value] : call.binary_metadata()) context.AddMetadata(name, value);

  Outcome outcome;
  std::thread canceller;
  if (call.cancel_after_ms() > 0) {
    canceller = std::thread([&context, &call] {
      std::this_thread::sleep_for(milliseconds(call.cancel_after_ms()));
      context.TryCancel();
    });
  }
  const grpc::Status status =
      stub.GetOnlineFeatures(&context, call.request(), outcome.mutable_response());
  if (canceller.joinable()) canceller.join();
  outcome.set_code(CodeName(status.error_code()));
  outcome.set_message(status.error_message());
  for (const auto& [name, value] : context.GetServerTrailingMetadata()) {
    const std::string key(name.data(), name.size());
    const std::string text(value.data(), value.size());
    const bool is_binary = key.size() > 4 && key.compare(key.size() - 4, 4, "-bin") == 0;
    (is_binary ? *outcome.mutable_binary_trailers() : *outcome.mutable_trailers())[key] = text;
  }
  return outcome;
}

std::vector<Outcome> SendAtOnce(ServingService::Stub& stub, const Call& call) {
  std::vector<Outcome> outcomes(std::max(1, call.parallel()));
  std::vector<std::thread> threads;
  for (Outcome& outcome : outcomes) {
    threads.emplace_back([&stub, &call, &outcome] { outcome = Send(stub, call); });
  }
  for (std::thread& thread : threads) thread.join();
  return outcomes;
}

Outcome Run(ServingService::Stub& stub, const Call& call) {
  std::this_thread::sleep_for(milliseconds(call.wait_ms()));
  const auto end = steady_clock::now() + milliseconds(call.repeat_ms());
  Outcome outcome;
  GetOnlineFeaturesResponse first;
  do {
    for (const Outcome& answer : SendAtOnce(stub, call)) {
      if (outcome.call_count() == 0) {
        outcome = answer;
        first = answer.response();
      }
      outcome.set_call_count(outcome.call_count() + 1);
      if (answer.code() != "OK") {
        if (outcome.failed_count() == 0) {
          outcome.set_code(answer.code());
          outcome.set_message(answer.message());
        }
        outcome.set_failed_count(outcome.failed_count() + 1);
      } else if (!MessageDifferencer::Equals(answer.response(), first)) {
        outcome.set_different_count(outcome.different_count() + 1);
      }
    }
  } while (steady_clock::now() < end);
  return outcome;
}

}  // namespace

int main(int, char** arguments) {
  grpc::ChannelArguments options;
  options.SetMaxReceiveMessageSize(kMaxResponseBytes);
  const auto stub = ServingService::NewStub(
      grpc::CreateCustomChannel(arguments[1], grpc::InsecureChannelCredentials(), options));
  std::string line;
  while (std::getline(std::cin, line)) {
    Call call;
    const auto parsed = google::protobuf::util::JsonStringToMessage(line, &call);
    if (!parsed.ok()) Fail(parsed.ToString());
    std::string text;
    const auto printed = google::protobuf::util::MessageToJsonString(Run(*stub, call), &text);
    if (!printed.ok()) Fail(printed.ToString());
    std::cout << text << std::endl;
  }
  return 0;
}
