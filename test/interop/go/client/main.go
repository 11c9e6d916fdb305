// Calls a feature server through stubs that protoc-gen-go-grpc made, as a service written in Go would.
//
// Reads one call per line from standard input (JSON, see call) and prints one outcome per line (JSON, see outcome), in
// the same order. All calls share one connection.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"log"
	"os"
	"strings"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"sideboard.test/interop/protos/feast/serving"
)

// call is Call of interop_call.proto, and more.
type call struct {
	// Service is "ServingService" or "GrpcFeatureServer".
	Service string `json:"service"`
	// Method is "GetOnlineFeatures" or "GetFeastServingInfo".
	Method string `json:"method"`
	// Request is the request message as protobuf JSON.
	Request        json.RawMessage   `json:"request"`
	Gzip           bool              `json:"gzip"`
	TimeoutMs      int64             `json:"timeoutMs"`
	CancelAfterMs  int64             `json:"cancelAfterMs"`
	Metadata       map[string]string `json:"metadata"`
	BinaryMetadata map[string][]byte `json:"binaryMetadata"`
	WaitMs         int64             `json:"waitMs"`
	Parallel       int               `json:"parallel"`
	RepeatMs       int64             `json:"repeatMs"`
}

// outcome is Outcome of interop_call.proto.
type outcome struct {
	Code           string            `json:"code"`
	Message        string            `json:"message,omitempty"`
	Response       json.RawMessage   `json:"response,omitempty"`
	Trailers       map[string]string `json:"trailers,omitempty"`
	BinaryTrailers map[string][]byte `json:"binaryTrailers,omitempty"`
	CallCount      int               `json:"callCount"`
	FailedCount    int               `json:"failedCount"`
	DifferentCount int               `json:"differentCount"`
}

func main() {
	conn, err := grpc.NewClient(os.Args[1],
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var c call
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			log.Fatal(err)
		}
		if err := answers.Encode(run(conn, c)); err != nil {
			log.Fatal(err)
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
}

func run(conn *grpc.ClientConn, c call) outcome {
	time.Sleep(time.Duration(c.WaitMs) * time.Millisecond)
	end := time.Now().Add(time.Duration(c.RepeatMs) * time.Millisecond)
	var first *outcome
	var total outcome
	for first == nil || time.Now().Before(end) {
		results := make([]outcome, max(1, c.Parallel))
		var group sync.WaitGroup
		for i := range results {
			group.Go(func() { results[i] = once(conn, c) })
		}
		group.Wait()
		for _, result := range results {
			if first == nil {
				first = &result
				total = result
			}
			total.CallCount++
			if result.Code != "OK" {
				if total.FailedCount == 0 {
					total.Code, total.Message = result.Code, result.Message
				}
				total.FailedCount++
			} else if string(result.Response) != string(first.Response) {
				total.DifferentCount++
			}
		}
	}
	return total
}

func once(conn *grpc.ClientConn, c call) outcome {
	timeout := 20 * time.Second
	if c.TimeoutMs > 0 {
		timeout = time.Duration(c.TimeoutMs) * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if c.CancelAfterMs > 0 {
		time.AfterFunc(time.Duration(c.CancelAfterMs)*time.Millisecond, cancel)
	}
	for name, value := range c.Metadata {
		ctx = metadata.AppendToOutgoingContext(ctx, name, value)
	}
	for name, value := range c.BinaryMetadata {
		ctx = metadata.AppendToOutgoingContext(ctx, name, string(value))
	}
	var trailers metadata.MD
	options := []grpc.CallOption{grpc.Trailer(&trailers)}
	if c.Gzip {
		options = append(options, grpc.UseCompressor(gzip.Name))
	}
	answer, err := send(ctx, conn, c, options)
	result := outcome{Code: "OK", Trailers: map[string]string{}, BinaryTrailers: map[string][]byte{}}
	for name, values := range trailers {
		if strings.HasSuffix(name, "-bin") {
			result.BinaryTrailers[name] = []byte(values[0])
		} else {
			result.Trailers[name] = values[0]
		}
	}
	if err != nil {
		s := status.Convert(err)
		result.Code, result.Message = code.Code(s.Code()).String(), s.Message()
		return result
	}
	// protojson varies its white space on purpose; a round trip through encoding/json does not.
	var plain any
	if err := json.Unmarshal([]byte(protojson.Format(answer)), &plain); err != nil {
		log.Fatal(err)
	}
	text, err := json.Marshal(plain)
	if err != nil {
		log.Fatal(err)
	}
	result.Response = text
	return result
}

func send(ctx context.Context, conn *grpc.ClientConn, c call, options []grpc.CallOption) (proto.Message, error) {
	if c.Method == "GetFeastServingInfo" {
		return serving.NewServingServiceClient(conn).GetFeastServingInfo(ctx, &serving.GetFeastServingInfoRequest{}, options...)
	}
	request := &serving.GetOnlineFeaturesRequest{}
	if err := protojson.Unmarshal(c.Request, request); err != nil {
		log.Fatal(err)
	}
	if c.Service == "GrpcFeatureServer" {
		return serving.NewGrpcFeatureServerClient(conn).GetOnlineFeatures(ctx, request, options...)
	}
	return serving.NewServingServiceClient(conn).GetOnlineFeatures(ctx, request, options...)
}
