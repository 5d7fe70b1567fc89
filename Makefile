# Everything is built into bin/ and run from there. make alone lists what there is to do.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

# The stack keeps its databases, logs and mails here.
override DATA := .kap

# How the stack is started. STORIES and EMPTY come from the command line.
STACK = bin/stack --data $(DATA) $(if $(STORIES),--stories '$(STORIES)') $(if $(EMPTY),--empty)

## make run [STORIES=FILE] [EMPTY=1]: build everything and run it on this machine; Ctrl-C stops it
.PHONY: run
run:
	@if [ '$(STORIES)' ] && [ '$(EMPTY)' ]; then \
		echo 'Choose one: STORIES=FILE starts with its stories, EMPTY=1 with none.' >&2; exit 2; \
	fi
	@if [ '$(STORIES)' ] && ! [ -r '$(STORIES)' ]; then \
		echo 'There is no file $(STORIES) to read stories from.' >&2; exit 2; \
	fi
	@! test -e $(DATA)/lock || flock -n $(DATA)/lock true || { echo 'A stack is running here already.' >&2; exit 1; }
	@build/prepare go postgresql
	@test -x bin/stack || echo "Building. The first time takes minutes, Temporal's server most of them; later it is seconds."
	@$(programs)
	@exec $(STACK)

## make backup [FILE=F]: write all that a running stack keeps into one file, and read it back
.PHONY: backup
backup:
	@test -x bin/stack || { echo 'There is no bin/stack: make run builds it.' >&2; exit 1; }
	@bin/stack backup --data $(DATA) '$(or $(FILE),kap-$(shell date -u +%Y%m%dT%H%M%SZ).backup)'

## make restore FILE=F: bring a backup back, where no stack runs; then make run
.PHONY: restore
restore:
	@if ! [ '$(FILE)' ]; then echo 'Which backup? make restore FILE=kap-….backup' >&2; exit 2; fi
	@build/prepare go postgresql
	@$(programs)
	@bin/stack restore --data $(DATA) '$(FILE)'

## make build: build the worker, the starter, the web process and the stack into bin/
.PHONY: build
build:
	@build/prepare go
	@$(programs)

define programs
build/compile 1/4 bin/worker . ./worker && \
build/compile 2/4 bin/starter . ./starter && \
build/compile 3/4 bin/web . ./web && \
build/compile 4/4 bin/stack stack .
endef

# Compiling Temporal's server for the race detector would double the time, and running it so would multiply it. In
# stack, what links the server is therefore tested without; but the worker it runs has the detector, which writes what
# it finds to bin/race. The programs of Temporal's images are built to run in deploy as docker-compose.yml would run them.
## make test: run every test, with Temporal's server, PostgreSQL and a browser for real
.PHONY: test
test:
	@build/prepare go compiler postgresql chromium
	@build/compile 1/9 bin/worker . ./worker -race
	@build/compile 2/9 bin/starter . ./starter
	@build/compile 3/9 bin/web . ./web -race
	@build/compile 4/9 bin/stack stack .
	@build/compile 5/9 bin/inbox stack ./inboxserver
	@build/compile 6/9 bin/temporal-server stack go.temporal.io/server/cmd/server
	@build/compile 7/9 bin/temporal-sql-tool stack go.temporal.io/server/cmd/tools/sql
	@build/compile 8/9 bin/ui-server stack github.com/temporalio/ui-server/v2/cmd/server
	@build/compile 9/9 bin/temporal tools github.com/temporalio/cli/cmd/temporal
	go vet ./... && (cd stack && go vet ./...) && cd deploy && go vet ./...
	go test -race -timeout 20m ./...
	GOGC=400 go test -timeout 20m ./pathway -run InvariantsHoldInEvery -histories=50000
	go test -timeout 10m ./activities -run WhateverIsKilled
	@rm -f bin/race.*
	cd stack && GORACE=log_path=$(CURDIR)/bin/race go test -race -timeout 30m $$(../build/race-packages light)
	cd stack && go test -timeout 20m $$(../build/race-packages heavy)
	cd deploy && GORACE=log_path=$(CURDIR)/bin/race go test -timeout 20m ./...
	@! cat bin/race.* 2>/dev/null || { echo 'The worker or the web process had data races, see above.' >&2; exit 1; }

# Where this release's histories are kept, beside those of earlier ones. RELEASE comes from the command line.
HISTORIES = workflows/testdata/histories/$(or $(RELEASE),$(shell date +%Y-%m-%d))

## make histories [RELEASE=NAME]: record pathways with every ending from Temporal's server, for later releases to replay
.PHONY: histories
histories:
	@build/prepare go postgresql
	@build/compile 1/5 bin/worker . ./worker
	@build/compile 2/5 bin/starter . ./starter
	@build/compile 3/5 bin/web . ./web
	@build/compile 4/5 bin/stack stack .
	@build/compile 5/5 bin/temporal tools github.com/temporalio/cli/cmd/temporal
	@rm -rf $(HISTORIES)
	cd stack && go test -count=1 -timeout 20m ./e2e -run 'ReachesEachEnding|LongPathwayReplays' -histories=$(CURDIR)/$(HISTORIES)
	@du -sh $(HISTORIES)

## make bench [SIZE=small] [ONLY=history,burst]: measure what a pathway costs, beside a bare workflow, in more than half an hour
.PHONY: bench
bench:
	@build/prepare go postgresql
	@$(programs)
	@build/compile 1/1 bin/bench stack ./bench
	@bin/bench --programs bin $(if $(SIZE),--size $(SIZE)) $(if $(ONLY),--only $(ONLY))

## make pictures: take the README's pictures of Temporal's Web UI anew
.PHONY: pictures
pictures:
	@build/prepare go postgresql chromium
	@$(programs)
	cd stack && go test -count=1 ./e2e -run WebUI -pictures=$(CURDIR)/docs/images

## make invariants: hold the safety rules against a million random histories
.PHONY: invariants
invariants:
	@build/prepare go
	GOGC=400 go test -timeout 3h ./pathway -run InvariantsHoldInEvery -histories=1000000 -v

## make chaos: carry fifty clients through faults without end, and count what was lost or doubled
.PHONY: chaos
chaos:
	@build/prepare go compiler postgresql
	@build/compile 1/4 bin/worker . ./worker -race
	@build/compile 2/4 bin/starter . ./starter
	@build/compile 3/4 bin/web . ./web -race
	@build/compile 4/4 bin/stack stack .
	cd stack && go test -count=1 -timeout 2h ./e2e -run Harried -harried=50 -v

## make lint: check formatting, go vet, staticcheck, workflowcheck and go.mod
.PHONY: lint
lint:
	@build/prepare go
	@build/compile 1/2 bin/staticcheck tools honnef.co/go/tools/cmd/staticcheck
	@build/compile 2/2 bin/workflowcheck tools go.temporal.io/sdk/contrib/tools/workflowcheck
	@build/lint

## make clean: delete what was built
.PHONY: clean
clean:
	rm -rf bin

## make reset: delete what the stack keeps: every pathway, client, mail and log of this machine
.PHONY: reset
reset:
	@test -d $(DATA) || { echo 'There is no $(DATA): nothing to delete.'; exit 0; }; \
	if command -v flock >/dev/null && test -e $(DATA)/lock && ! flock -n $(DATA)/lock true; then \
		echo 'A stack is running on $(DATA): stop it first.' >&2; exit 1; \
	fi; \
	echo "Deleting $(DATA) ($$(du -sh $(DATA) | cut -f1)): its databases with every pathway and client, the mails it caught, its logs."; \
	rm -rf $(DATA)

## make help: list these
.PHONY: help
help:
	@sed -n 's/^## make \([^:]*\): \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-44s %s\n", $$1, $$2 }'
