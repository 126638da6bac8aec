# SPDX-License-Identifier: MIT

# What is needed: Go, git, make. Everything else the targets fetch or build.

export GOWORK = off

.PHONY: help demo test soak verification fmt clean

help:
	@echo 'make demo                  one service without and with locmem: rates, latencies, queries, hit ratio'
	@echo 'make demo ARGS="-h"        its options'
	@echo 'make test                  every check, as in CI'
	@echo 'make test GATES="lint unit"   some of them'
	@echo 'make test TRACES=DIR       the policies on recorded traces too: *.keys.gz, decimal keys, one a line'
	@echo 'make soak DURATION=60m     with the checks that take long, too, and more of those that can go on for ever'
	@echo 'make verification          write docs/verification.md from what the last run has found'
	@echo 'make fmt                   format all Go files'
	@echo 'make clean                 remove built tools and logs'

demo:
	@cd examples/hotpath && go run . $(ARGS)

# TRACES, GATES and CI reach the script through the environment.
test:
	@scripts/test

soak:
	@SOAK=1 DURATION=$(or $(DURATION),60m) scripts/test

verification:
	@cd verify && go run ./report

fmt:
	@GATES=tools scripts/test
	bin/gofumpt -w .

clean:
	rm -rf bin .logs
