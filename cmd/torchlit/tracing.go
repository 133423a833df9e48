package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.uber.org/zap"
)

// flushTraces bounds how long the end of the process waits for the last spans to reach the collector.
const flushTraces = 5 * time.Second

// openTracing makes the tracer provider that --otlp-endpoint or OpenTelemetry's own variables ask for, nil when none does.
// Whoever opens it shuts it down.
//
// Requests never wait for the collector: finished spans go into a queue of 2,048 (OTEL_BSP_MAX_QUEUE_SIZE), and what
// finds it full is dropped.
func openTracing(ctx context.Context, settings serveSettings, logger *zap.Logger) (*sdktrace.TracerProvider, error) {
	if !wantsTracing(settings.OTLPEndpoint) {
		return nil, nil
	}
	exporter, err := newExporter(ctx, settings.OTLPEndpoint)
	if err != nil {
		return nil, fmt.Errorf("cannot trace to %q: %w; see --otlp-endpoint", settings.OTLPEndpoint, err)
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "torchlit"), attribute.String("service.version", version)),
		resource.WithTelemetrySDK(), resource.WithHost(), resource.WithFromEnv())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("cannot describe this process in traces: %w; check OTEL_RESOURCE_ATTRIBUTES", err)
	}
	options := []sdktrace.TracerProviderOption{sdktrace.WithBatcher(exporter), sdktrace.WithResource(about)}
	if os.Getenv("OTEL_TRACES_SAMPLER") == "" { // else the provider reads it
		options = append(options, sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(settings.TraceRatio))))
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		logger.Warn("traces are lost: the collector cannot be reached or refuses them", zap.Error(err))
	}))
	logger.Info("requests are traced")
	return sdktrace.NewTracerProvider(options...), nil
}

// wantsTracing reports whether somebody asked for traces and nobody forbade them.
func wantsTracing(endpoint string) bool {
	if os.Getenv("OTEL_SDK_DISABLED") == "true" || os.Getenv("OTEL_TRACES_EXPORTER") == "none" {
		return false
	}
	return endpoint != "" || os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "" ||
		os.Getenv("OTEL_TRACES_EXPORTER") == "otlp"
}

// newExporter speaks OTLP in the protocol that OpenTelemetry's variables name, HTTP with protobuf by default.
func newExporter(ctx context.Context, endpoint string) (*otlptrace.Exporter, error) {
	protocol := os.Getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
	if protocol == "" {
		protocol = os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL")
	}
	u, err := parseEndpoint(endpoint)
	if err != nil {
		return nil, err
	}
	switch protocol {
	case "", "http/protobuf":
		var options []otlptracehttp.Option
		if u != nil {
			if u.Path == "" || u.Path == "/" {
				u.Path = "/v1/traces"
			}
			options = append(options, otlptracehttp.WithEndpointURL(u.String()))
		}
		return otlptracehttp.New(ctx, options...)
	case "grpc":
		var options []otlptracegrpc.Option
		if u != nil {
			options = append(options, otlptracegrpc.WithEndpointURL(u.String()))
		}
		return otlptracegrpc.New(ctx, options...)
	}
	return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q; it must be http/protobuf or grpc", protocol)
}

// parseEndpoint returns nil for "": then OpenTelemetry's variables say where to.
func parseEndpoint(endpoint string) (*url.URL, error) {
	if endpoint == "" {
		return nil, nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("write http://HOST:4318, or https://")
	}
	return u, nil
}

// closeTracing sends what is left.
func closeTracing(p *sdktrace.TracerProvider, timeout time.Duration, logger *zap.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := p.Shutdown(ctx); err != nil {
		logger.Warn("the last traces are lost", zap.Error(err))
	}
}
