# SPDX-License-Identifier: BSD-2-Clause
# make            build/shearpin
# make drill      install what is missing, build, run the built-in lab's drill
# make test       install what is missing, build, run every test; the last line is "N passed, N failed"
# make packs      install what is missing, build, run every pack's drill in its lab, also with stand-ins that misbehave
# make test-vm    packet tests, lab tests and delays beside tc netem on Debian's 6.1 and 6.12 kernels, emulated (KERNEL=6.1)
# make bench      the measured figures
# make check      format, static analysis, shell scripts, sanitizers, other compilers
# make install    DESTDIR=, PREFIX=/usr/local
# make clean      remove build/
#
# CC=, CFLAGS=, LDFLAGS= and CLANG= (for bpf/) are honoured; a change of them rebuilds what it concerns. V=1 shows the
# command lines.

CC        ?= cc
CFLAGS    ?= -O2 -g
CLANG     ?= $(shell for c in clang-14 clang-19 clang-18 clang-17 clang-16 clang-15 clang; do \
	command -v $$c && break; done)
BPFTOOL   ?= $(shell for b in bpftool /usr/sbin/bpftool /usr/lib/linux-tools/*/bpftool \
	/usr/lib/linux-tools-*/bpftool; do $$b version >/dev/null 2>&1 && echo $$b && break; done)
PREFIX    ?= /usr/local
BUILD     ?= build
VERSION   := 0.1.0

LIBS      := libbpf libelf libfyaml jansson libmnl libcrypto zlib
# Loaded when a run needs them (user/base/library.h).
LAZY_LIBS := libcurl libmicrohttpd
WARNINGS  := -Wall -Wextra -Werror
DEFINES   := -D_GNU_SOURCE -DSHEARPIN_VERSION='"$(VERSION)"' -DSHEARPIN_DATADIR='"$(PREFIX)/share/shearpin"'
INCLUDES  := -Iuser -Ibpf -I$(BUILD)
STRICT_C  := -std=c11 $(WARNINGS) $(DEFINES) $(INCLUDES)
USER_C     = $(STRICT_C) $(CPPFLAGS) $(CFLAGS)
BPF_C      = -O2 -g -target bpf -mcpu=v3 $(WARNINGS) -Ivmlinux -I/usr/include/$(shell uname -m)-linux-gnu
LDLIBS     = $(shell pkg-config --libs $(LIBS)) -pthread -lm

BPF_SRC   := $(wildcard bpf/*.bpf.c)
BPF_SKEL  := $(BPF_SRC:bpf/%.bpf.c=$(BUILD)/%.skel.h)
SRC       := $(wildcard user/*.c user/*/*.c)
OBJ       := $(SRC:%.c=$(BUILD)/%.o)
# What the tests' programs take their share of.
LIB       := $(BUILD)/libshearpin.a

# tests/SUITE/test_*.c is one program each; other files of a suite are linked into all of its programs.
TEST_SRC  := $(wildcard tests/unit/test_*.c tests/packet/test_*.c)
TEST_BIN  := $(TEST_SRC:%.c=$(BUILD)/%)
BENCH_SRC := $(wildcard tests/bench/bench_*.c)
BENCH_BIN := $(BENCH_SRC:%.c=$(BUILD)/%)
TEST_BPF  := $(wildcard tests/*/*.bpf.c)
TEST_SKEL := $(TEST_BPF:%.bpf.c=$(BUILD)/%.skel.h)
HELP_OBJ   = $(patsubst %.c,$(BUILD)/%.o,$(filter-out $(TEST_SRC) $(BENCH_SRC) $(TEST_BPF),$(wildcard tests/$1/*.c)))
# The fuzzers drive the layers that read what others wrote, with these layers instrumented.
FUZZ_LAYER := base scenario evidence slo report
FUZZ_SRC  := $(wildcard tests/fuzz/*.c)
FUZZ_BIN  := $(FUZZ_SRC:%.c=$(BUILD)/%)
FUZZ_OBJ  := $(patsubst %.c,$(BUILD)/fuzz/%.o,$(wildcard $(FUZZ_LAYER:%=user/%/*.c)))
FUZZ_C    := $(STRICT_C) -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all

# A line a command; with V=1 the command itself, with -s nothing.
silent    := $(findstring s,$(firstword -$(MAKEFLAGS)))
run        = $(if $(V),$2,@$(if $(silent),,printf '  %-8s%s\n' '$1' '$@';) $2)

all: $(BUILD)/shearpin

$(BUILD)/shearpin: $(OBJ)
	$(call run,LINK,$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS))

$(BUILD)/user/%.o: user/%.c $(BUILD)/user.flags
	@mkdir -p $(@D)
	$(call run,CC,$(CC) $(USER_C) -MMD -MP -c -o $@ $<)

$(BUILD)/tests/%.o: tests/%.c $(BUILD)/user.flags
	@mkdir -p $(@D)
	$(call run,CC,$(CC) $(USER_C) -Itests -MMD -MP -c -o $@ $<)

# These must exist before the first compilation; later the dependency files know who needs them.
$(OBJ) $(FUZZ_OBJ) $(FUZZ_BIN): | $(BPF_SKEL) $(BUILD)/sonames.h
$(TEST_BIN:=.o) $(BENCH_BIN:=.o) $(foreach s,unit packet bench,$(call HELP_OBJ,$s)): | $(BPF_SKEL) $(TEST_SKEL)

$(BUILD)/%.bpf.o: bpf/%.bpf.c $(BUILD)/bpf.flags
	@mkdir -p $(@D)
	$(call run,BPF,$(CLANG) $(BPF_C) -MMD -MP -c -o $@ $<)

$(BUILD)/tests/%.bpf.o: tests/%.bpf.c $(BUILD)/bpf.flags
	@mkdir -p $(@D)
	$(call run,BPF,$(CLANG) $(BPF_C) -Ibpf -MMD -MP -c -o $@ $<)

# Linking strips the debug sections and keeps the BTF.
$(BUILD)/%.skel.h: $(BUILD)/%.bpf.o
	$(call run,SKEL,$(BPFTOOL) gen object $(BUILD)/$*.linked.o $< && \
		$(BPFTOOL) gen skeleton $(BUILD)/$*.linked.o name $(subst -,_,$(notdir $*)) > $@.tmp && mv $@.tmp $@)

# By the names of the libraries that the headers belong to.
$(BUILD)/sonames.h: $(BUILD)/user.flags
	$(call run,SONAMES,for l in $(LAZY_LIBS); do readelf -d "$$($(CC) -print-file-name=$$l.so)" | \
		sed -n "s/.*(SONAME).*\[\(.*\)\]$$/#define \U$$l\E_SONAME \"\1\"/p" | grep . || exit; done > $@.tmp && mv $@.tmp $@)

.SECONDEXPANSION:
$(LIB): $(filter-out $(BUILD)/user/main.o,$(OBJ))
	$(call run,AR,rm -f $@ && ar rcs $@ $^)

$(TEST_BIN): %: %.o $$(call HELP_OBJ,$$(notdir $$(@D))) $(LIB)
	$(call run,LINK,$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS))

$(BENCH_BIN): %: %.o $$(call HELP_OBJ,bench) $(addprefix $(BUILD)/tests/packet/,scene.o frame.o) $(LIB)
	$(call run,LINK,$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS))

$(BUILD)/fuzz/user/%.o: user/%.c $(BUILD)/bpf.flags
	@mkdir -p $(@D)
	$(call run,CC,$(CLANG) $(FUZZ_C) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<)

$(FUZZ_BIN): $(BUILD)/%: %.c $(FUZZ_OBJ)
	@mkdir -p $(@D)
	$(call run,LINK,$(CLANG) $(FUZZ_C) -Itests -fsanitize=fuzzer -MMD -MP -o $@ $< $(FUZZ_OBJ) $(LDLIBS))

# Touched only when the compiler or its options differ from the last time.
$(BUILD)/user.flags: export FLAGS = $(CC) $(USER_C) $(LDFLAGS)
$(BUILD)/bpf.flags: export FLAGS = $(CLANG) $(BPF_C) $(BPFTOOL) $(FUZZ_C)
$(BUILD)/%.flags: FORCE
	@tools/setup --verify build
	@mkdir -p $(@D)
	@printf '%s\n' "$$FLAGS" | cmp -s - $@ || printf '%s\n' "$$FLAGS" > $@

# Each step runs its own make, since the compilers may not be there before the first; on all processors, unless -j says
# how many.
AGAIN = $(MAKE) --no-print-directory $(if $(findstring j,$(MAKEFLAGS)),,-j$(shell nproc))
drill:
	@tools/setup drill
	@$(AGAIN) all
	@$(SUDO) $(BUILD)/shearpin lab

test:
	@tools/setup test
	@$(AGAIN) all test-programs
	@$(SUDO) tests/run $(BUILD)

packs:
	@tools/setup test
	@$(AGAIN) all
	@$(SUDO) tests/packs $(BUILD)

test-vm:
	@tools/setup vm
	@$(AGAIN) all test-programs
	@tests/vm/run $(BUILD)

skeletons: $(BPF_SKEL) $(BUILD)/sonames.h
test-programs: $(TEST_BIN) $(FUZZ_BIN)
bench-programs: $(BENCH_BIN)
unit-programs: $(filter $(BUILD)/tests/unit/%,$(TEST_BIN))

bench:
	@tools/setup test
	@$(AGAIN) all bench-programs
	@$(SUDO) tests/bench/run $(BUILD)

check:
	@tools/setup check
	@tools/check

install: all
	install -D -m 755 $(BUILD)/shearpin $(DESTDIR)$(PREFIX)/sbin/shearpin
	find scenarios -type f ! -perm -u+x -exec install -D -m 644 {} $(DESTDIR)$(PREFIX)/share/shearpin/{} \;
	find scenarios -type f -perm -u+x -exec install -D -m 755 {} $(DESTDIR)$(PREFIX)/share/shearpin/{} \;
	install -d $(DESTDIR)$(PREFIX)/share/doc/shearpin
	install -m 644 README.md LICENSE $(wildcard docs/*.md) $(DESTDIR)$(PREFIX)/share/doc/shearpin/
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/shearpin/LICENSES LICENSES/*

clean:
	rm -rf $(BUILD)

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

SUDO = $(shell [ "$$(id -u)" = 0 ] || command -v sudo)

FORCE:
.PHONY: all drill test packs test-vm skeletons test-programs bench-programs unit-programs bench check install clean help FORCE
.SECONDARY:
.DELETE_ON_ERROR:
-include $(OBJ:.o=.d) $(BPF_SRC:bpf/%.bpf.c=$(BUILD)/%.bpf.d) $(FUZZ_OBJ:.o=.d) $(wildcard $(BUILD)/tests/*/*.d)
