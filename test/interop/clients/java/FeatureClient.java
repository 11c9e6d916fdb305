import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static java.util.concurrent.TimeUnit.SECONDS;

import com.google.protobuf.ByteString;
import com.google.protobuf.util.JsonFormat;
import feast.proto.serving.ServingAPIProto.GetOnlineFeaturesRequest;
import feast.proto.serving.ServingAPIProto.GetOnlineFeaturesResponse;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.protobuf.ProtoUtils;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import sideboard.interop.Call;
import sideboard.interop.Outcome;

/** Calls a feature server by grpc-java, as interop_call.proto says. Argument: host:port. */
public final class FeatureClient {
  private static final int DEFAULT_TIMEOUT_MS = 20_000;
  private static final int MAX_RESPONSE_BYTES = 64 << 20;

  private static final MethodDescriptor<GetOnlineFeaturesRequest, GetOnlineFeaturesResponse> METHOD =
      MethodDescriptor.<GetOnlineFeaturesRequest, GetOnlineFeaturesResponse>newBuilder()
          .setType(MethodDescriptor.MethodType.UNARY)
          .setFullMethodName("feast.serving.ServingService/GetOnlineFeatures")
          .setRequestMarshaller(ProtoUtils.marshaller(GetOnlineFeaturesRequest.getDefaultInstance()))
          .setResponseMarshaller(ProtoUtils.marshaller(GetOnlineFeaturesResponse.getDefaultInstance()))
          .build();

  private final ManagedChannel channel;
  private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor();

  private FeatureClient(String target) {
    channel =
        NettyChannelBuilder.forTarget(target)
            .usePlaintext()
            .maxInboundMessageSize(MAX_RESPONSE_BYTES)
            .build();
  }

  public static void main(String[] args) throws Exception {
    FeatureClient client = new FeatureClient(args[0]);
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    JsonFormat.Printer printer = JsonFormat.printer().omittingInsignificantWhitespace();
    try (BufferedReader lines =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        Call.Builder call = Call.newBuilder();
        JsonFormat.parser().merge(line, call);
        out.println(printer.print(client.run(call.build())));
      }
    }
    client.channel.shutdown().awaitTermination(5, SECONDS);
    client.timer.shutdown();
  }

  private Outcome run(Call call) throws InterruptedException, IOException {
    Thread.sleep(call.getWaitMs());
    long endNs = System.nanoTime() + MILLISECONDS.toNanos(call.getRepeatMs());
    Outcome.Builder outcome = null;
    GetOnlineFeaturesResponse first = null;
    do {
      List<CompletableFuture<Outcome>> answers = new ArrayList<>();
      for (int i = 0; i < Math.max(1, call.getParallel()); i++) answers.add(send(call));
      for (CompletableFuture<Outcome> each : answers) {
        Outcome answer = each.join();
        if (outcome == null) {
          outcome = answer.toBuilder();
          first = answer.getResponse();
        }
        outcome.setCallCount(outcome.getCallCount() + 1);
        if (!answer.getCode().equals("OK")) {
          if (outcome.getFailedCount() == 0) {
            outcome.setCode(answer.getCode()).setMessage(answer.getMessage());
          }
          outcome.setFailedCount(outcome.getFailedCount() + 1);
        } else if (!answer.getResponse().equals(first)) {
          outcome.setDifferentCount(outcome.getDifferentCount() + 1);
        }
      }
    } while (System.nanoTime() < endNs);
    return outcome.build();
  }

  private CompletableFuture<Outcome> send(Call call) {
    int timeoutMs = call.getTimeoutMs() == 0 ? DEFAULT_TIMEOUT_MS : call.getTimeoutMs();
    CallOptions options = CallOptions.DEFAULT.withDeadlineAfter(timeoutMs, MILLISECONDS);
    if (call.getGzip()) options = options.withCompression("gzip");
    ClientCall<GetOnlineFeaturesRequest, GetOnlineFeaturesResponse> started =
        channel.newCall(METHOD, options);
    CompletableFuture<Outcome> answer = new CompletableFuture<>();
    Outcome.Builder outcome = Outcome.newBuilder();
    started.start(
        new ClientCall.Listener<>() {
          @Override
          public void onMessage(GetOnlineFeaturesResponse message) {
            outcome.setResponse(message);
          }

          @Override
          public void onClose(Status status, Metadata trailers) {
            outcome.setCode(status.getCode().name());
            if (status.getDescription() != null) outcome.setMessage(status.getDescription());
            addTrailers(outcome, trailers);
            answer.complete(outcome.build());
          }
        },
        metadataOf(call));
    started.request(2);
    started.sendMessage(call.getRequest());
    started.halfClose();
    if (call.getCancelAfterMs() > 0) {
      timer.schedule(
          () -> started.cancel("the test wants it", null), call.getCancelAfterMs(), MILLISECONDS);
    }
    return answer;
  }

  private static Metadata metadataOf(Call call) {
    Metadata metadata = new Metadata();
    call.getMetadataMap()
        .forEach(
            (name, value) ->
                metadata.put(Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER), value));
    call.getBinaryMetadataMap()
        .forEach(
            (name, value) ->
                metadata.put(
                    Metadata.Key.of(name, Metadata.BINARY_BYTE_MARSHALLER), value.toByteArray()));
    return metadata;
  }

  private static void addTrailers(Outcome.Builder outcome, Metadata trailers) {
    for (String name : trailers.keys()) {
      if (name.endsWith(Metadata.BINARY_HEADER_SUFFIX)) {
        byte[] value = trailers.get(Metadata.Key.of(name, Metadata.BINARY_BYTE_MARSHALLER));
        outcome.putBinaryTrailers(name, ByteString.copyFrom(value));
      } else {
        outcome.putTrailers(
            name, trailers.get(Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER)));
      }
    }
  }
}
