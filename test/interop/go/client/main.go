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
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"sideboard.test/interop/protos/feast/serving"
)

type call struct {
	// Service is "ServingService" or "GrpcFeatureServer".
	Service string `json:"service"`
	// Method is "GetOnlineFeatures" or "GetFeastServingInfo".
	Method string `json:"method"`
	// Request is the request message as protobuf JSON.
	Request json.RawMessage `json:"request"`
	// Gzip compresses the request and asks for a compressed response.
	Gzip bool `json:"gzip"`
	// TimeoutMicros is the deadline; 0 = 20 seconds.
	TimeoutMicros int64 `json:"timeoutMicros"`
	// Parallel sends the call this many times at once; all answers must be equal. 0 = once.
	Parallel int `json:"parallel"`
}

type outcome struct {
	Code     string          `json:"code"`
	Message  string          `json:"message,omitempty"`
	Response json.RawMessage `json:"response,omitempty"`
	// Different counts answers of a parallel call that were not those of its first.
	Different int `json:"different"`
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
	results := make([]outcome, max(1, c.Parallel))
	var group sync.WaitGroup
	for i := range results {
		group.Go(func() { results[i] = once(conn, c) })
	}
	group.Wait()
	first := results[0]
	for _, other := range results[1:] {
		if other.Code != first.Code || string(other.Response) != string(first.Response) {
			first.Different++
		}
	}
	return first
}

func once(conn *grpc.ClientConn, c call) outcome {
	timeout := 20 * time.Second
	if c.TimeoutMicros > 0 {
		timeout = time.Duration(c.TimeoutMicros) * time.Microsecond
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	var options []grpc.CallOption
	if c.Gzip {
		options = append(options, grpc.UseCompressor(gzip.Name))
	}
	answer, err := send(ctx, conn, c, options)
	if err != nil {
		s := status.Convert(err)
		return outcome{Code: s.Code().String(), Message: s.Message()}
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
	return outcome{Code: "OK", Response: text}
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
