# make demo   boot the firmware in QEMU, use it, have it die, hear its last words
# make run    boot the firmware in QEMU and show its consoles until ctrl-C
# make test   everything below, as the CI does
#   make lint         gofmt, go vet and staticcheck, for the host and the target
#   make test-host    go test with the race detector, on this host
#   make test-target  go test on the target, in QEMU, for each board
#   make test-system  the firmware as a whole, in QEMU
# make bench  instructions per frame, datagram, byte (docs/performance.md), beside
#             Linux's; PEER=none without, which saves a download and most of the time
#   make bench-profile ROW=udp-echo  which functions they are
# make test-std  the Go standard library's own tests, on the target (docs/std.md)
# make soak   mixed traffic over a bad wire for SOAKTIME (default 10m), and floods
# make last-words  every death under every load, ROUNDS (default 20) times each, on
#             BOARD, and a table of the lines lost: an hour and a half
# make fuzz   every fuzz target for FUZZTIME (default 20s each)
# make deps   install what is needed besides Go (Debian, Ubuntu)

GO       ?= go
BOARD    ?= mx6ulevk
FUZZTIME ?= 20s
SOAKTIME ?= 10m
ROUNDS   ?= 20

# Packages whose tests run on the target as programs on the kernel, those whose
# tests are linked with the kernel into an image, and packages that test the
# firmware as a whole and so are not among the host's.
BOARDS      ?= mx6ulevk sabrelite
IMAGE_PKGS  ?= ./board/kernel ./stack/sockets
TARGET_PKGS ?= . ./board/... ./enet/bd ./enet/mii ./stack/netdev ./stack/netpoll ./stack/netem ./stack/pcap ./stack/inet ./console/netconsole ./console/ramoops
SYSTEM_PKGS ?= ./internal/systest

# Sizes of RAM, and seconds of uptime (shortly before 32 bits of ns, 31 of ms and
# 53 of ns; 100 years), with which part of the kernel's tests run again.
MEMORIES ?= 64M 128M 512M
UPTIMES  ?= 4 2147483 9007199 3153600000

# A missing QEMU fails tests instead of skipping them.
export GASP_REQUIRE_QEMU = 1

ROW  ?= udp-echo
PEER ?= debian

.PHONY: demo run test bench bench-profile lint test-host test-target test-system test-std soak last-words fuzz deps
.NOTPARALLEL:

demo: deps
	$(GO) run ./cmd/gasp demo -board $(BOARD) ./cmd/firmware

run: deps
	$(GO) run ./cmd/gasp run -board $(BOARD) ./cmd/firmware

test: deps lint test-host test-target test-system

lint:
	GO="$(GO)" BOARDS="$(BOARDS)" scripts/lint.sh

test-host:
	@set -e; \
	race=$$(GO="$(GO)" scripts/race.sh); \
	system=$$($(GO) list $(SYSTEM_PKGS)); \
	pkgs=$$($(GO) list ./... | grep -vxF "$$system"); \
	echo "go test $$race ./..., without $(SYSTEM_PKGS)"; \
	$(GO) test $$race $$pkgs

test-target: bin/gasp
	@set -e; for b in $(BOARDS); do \
		echo "gasp test -board $$b $(TARGET_PKGS)"; \
		bin/gasp test -board $$b $(TARGET_PKGS); \
		echo "gasp test -board $$b ./console, the ring"; \
		bin/gasp test -board $$b -run 'Plain|Ring|Append' ./console; \
		echo "gasp test -board $$b -image $(IMAGE_PKGS)"; \
		bin/gasp test -board $$b -image -append "quiet ip=off" -p 1 $(IMAGE_PKGS); \
		for m in $(MEMORIES); do \
			echo "gasp test -board $$b -m $$m -image, memory"; \
			bin/gasp test -board $$b -m $$m -image -run 'Memory|Heap|Mmap|Prot|Mapping' ./board/kernel; \
		done; \
		for s in $(UPTIMES); do \
			echo "gasp test -board $$b -append gasp.uptime=$$s -image, time"; \
			bin/gasp test -board $$b -append gasp.uptime=$$s -image -run 'Clock|Sleep|Deadline|Timer|Turns' ./board/kernel; \
		done; \
		echo "gasp test -board $$b -image -icount, time and randomness"; \
		bin/gasp test -board $$b -image -icount -run 'Past32|Trap|Masked|Getrandom|Hardware|Tick|Yield|Monitor' ./board/kernel; \
	done
	@echo "gasp test -board mx6ulevk -image -net loop ./enet"; \
	bin/gasp test -board mx6ulevk -image -net loop ./enet

test-system:
	$(GO) test -count=1 -timeout 15m $(SYSTEM_PKGS)

bench: deps
	$(GO) run ./cmd/bench -peer $(PEER)

bench-profile: deps
	$(GO) run ./cmd/bench -profile $(ROW)

test-std: bin/gasp
	GO="$(GO)" scripts/std.sh -board $(BOARD)

soak: deps
	GASP_SOAK=$(SOAKTIME) $(GO) test -count=1 -v -timeout 2h -run 'Soak|Overload' $(SYSTEM_PKGS)

last-words: deps
	GASP_LASTWORDS=$(ROUNDS) GASP_LASTWORDS_BOARD=$(BOARD) $(GO) test -count=1 -v -timeout 6h -run 'NoLineIsLostUnderLoad' $(SYSTEM_PKGS)

fuzz:
	GO="$(GO)" scripts/fuzz.sh $(FUZZTIME)

deps:
	scripts/deps.sh

# The go command knows whether there is anything to do.
.PHONY: bin/gasp
bin/gasp:
	$(GO) build -o $@ ./cmd/gasp
