// Takes traces by the OTLP receiver of OpenTelemetry's Collector, and adds each request that it took to a file, a line of OTLP in JSON.
//
//	otlp-receiver '{"protocols": {"grpc": {"endpoint": "127.0.0.1:4317"}}}' FILE
//
// The first argument is what a Collector's configuration has under receivers/otlp, as JSON.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: otlp-receiver CONFIGURATION FILE")
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func run(configuration, path string) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	factory := otlpreceiver.NewFactory()
	config := factory.CreateDefaultConfig()
	var given map[string]any
	if err := json.Unmarshal([]byte(configuration), &given); err != nil {
		return err
	}
	if err := confmap.NewFromStringMap(given).Unmarshal(config); err != nil {
		return err
	}
	sink, err := consumer.NewTraces(func(_ context.Context, traces ptrace.Traces) error {
		line, err := (&ptrace.JSONMarshaler{}).MarshalTraces(traces)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(file, string(line))
		return err
	})
	if err != nil {
		return err
	}
	settings := receiver.Settings{
		ID:                component.NewID(factory.Type()),
		TelemetrySettings: componenttest.NewNopTelemetrySettings(),
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	traces, err := factory.CreateTraces(ctx, settings, config, sink)
	if err != nil {
		return err
	}
	if err := traces.Start(ctx, componenttest.NewNopHost()); err != nil {
		return err
	}
	<-ctx.Done()
	return traces.Shutdown(context.Background())
}
