# dpsweep.  `make help` lists what can be made.  V=1 shows the commands.
# docs/building.md says what can be set: DEVICE, BUILD, CC, CFLAGS, ARCH, MPICC, HDF5_ROOT, DNNL_ROOT, CUDA_HOME ...

DEVICE  ?= cpu
VERSION := 0.1.0
ifeq ($(filter $(DEVICE),cpu cuda),)
  $(error DEVICE=$(DEVICE): the devices are cpu and cuda)
endif
ifneq ($(and $(filter cuda,$(DEVICE)),$(filter test test-long tests bench,$(MAKECMDGOALS))),)
  $(error DEVICE=cuda: the tests belong to the CPU build and test this one too, on stand-ins for a GPU: make test)
endif
ifeq ($(MAKELEVEL),0)
  MAKEFLAGS += -j$(shell nproc)
endif
Q := $(if $(filter 1,$(V)),,@)

# ---- compiler and libraries ------------------------------------------------------------------------------------------
ifeq ($(origin CC),default)
  CC := gcc
endif
BUILD  := build/$(DEVICE)
CFLAGS ?= -O3 -g
ifeq ($(SANITIZE),1)
  BUILD  := build/$(DEVICE)-asan
  CFLAGS := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
endif
# The program starts on any x86-64 processor and has clones of each kernel for newer ones (kernels/grid.h).  What cannot
# choose when it starts is for AVX2: of clang, of gcc before 12, and with sanitizers.
CLANG  := $(findstring clang,$(shell $(CC) --version 2>/dev/null))
CLONED := __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"))) void f(void) {}
CLONES := $(if $(filter 1,$(SANITIZE))$(CLANG),,$(shell \
            echo '$(CLONED)' | $(CC) -x c -c -o /dev/null - 2>/dev/null && echo -DCLONES))
ARCH   ?= $(if $(CLONES),,$(if $(filter x86_64,$(shell uname -m)),-march=x86-64-v3))
MPICC  ?= mpicc
WARN   := -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wvla \
          -Werror=implicit-function-declaration
# messages may be cut; clang makes no vectors of a maximum, and says so
WARN   += $(if $(CLANG),-Wno-pass-failed,-Wno-format-truncation)

pkg = $(shell pkg-config $(1) $(2) 2>/dev/null)

# The serial HDF5 by its own name: plain "hdf5" turns into the MPI flavour once that is installed as well.
HDF5_CFLAGS ?= $(if $(HDF5_ROOT),-I$(HDF5_ROOT)/include,$(call pkg,--cflags,hdf5-serial))
HDF5_LIBS   ?= $(if $(HDF5_ROOT),-L$(HDF5_ROOT)/lib -Wl$(comma)-rpath$(comma)$(HDF5_ROOT)/lib,$(call \
                pkg,--libs-only-L,hdf5-serial)) -lhdf5_hl -lhdf5
DNNL_CFLAGS ?= $(if $(DNNL_ROOT),-I$(DNNL_ROOT)/include)
DNNL_LIBS   ?= $(if $(DNNL_ROOT),-L$(DNNL_ROOT)/lib -Wl$(comma)-rpath$(comma)$(DNNL_ROOT)/lib) -ldnnl
MPI_CFLAGS  ?= $(or $(shell $(MPICC) --showme:compile 2>/dev/null),$(call pkg,--cflags,ompi-c))
MPI_LIBS    ?= $(or $(shell $(MPICC) --showme:link 2>/dev/null),$(call pkg,--libs,ompi-c))
PACKAGES    := libcjson inih libsodium zlib
comma       := ,

# The program can be run with other CUDA libraries through LD_LIBRARY_PATH, which goes before a runpath.
CUDA_HOME   ?= $(or $(patsubst %/bin/nvcc,%,$(realpath $(shell command -v nvcc))),/usr/local/cuda)
NVCC        ?= $(CUDA_HOME)/bin/nvcc
# those that nvcc knows, the last one from CUDA 12.8 on; all, if it does not say
known_ARCHS  = $(filter $(patsubst sm_%,%,$(shell $(NVCC) --list-gpu-code 2>/dev/null)),80 90 100)
CUDA_ARCHS  ?= $(or $(known_ARCHS),80 90 100)
cpu_CFLAGS  := $(DNNL_CFLAGS)
cpu_LIBS    := $(DNNL_LIBS)
NCCL_HOME   ?=
cuda_CFLAGS := $(if $(NCCL_HOME),-isystem $(NCCL_HOME)/include) -isystem $(CUDA_HOME)/include
cuda_LIBS   := -L$(CUDA_HOME)/lib64 -Wl,--enable-new-dtags,-rpath,$(CUDA_HOME)/lib64 \
               $(if $(NCCL_HOME),-L$(NCCL_HOME)/lib -Wl$(comma)-rpath$(comma)$(NCCL_HOME)/lib) \
               -lnccl -lcublas -lcudart -lstdc++

LIB_CFLAGS := $(HDF5_CFLAGS) $($(DEVICE)_CFLAGS) $(MPI_CFLAGS) $(call pkg,--cflags,$(PACKAGES))
LIBS       := $($(DEVICE)_LIBS) $(HDF5_LIBS) $(MPI_LIBS) \
              $(or $(call pkg,--libs,$(PACKAGES)),-lcjson -linih -lsodium -lz) -lm
COMPILE    := $(CC) -std=gnu11 -D_GNU_SOURCE -DDPSWEEP_DEVICE='"$(DEVICE)"' $(CPPFLAGS) $(LIB_CFLAGS) \
              $(CFLAGS) $(ARCH) $(CLONES) -fopenmp $(WARN) -MMD -MP $(EXTRA_CFLAGS)
# kernels round as they say on every device: a*b+c is one rounding only where fmaf is written
cpu_KERNEL  = $(COMPILE) -ffp-contract=off -fno-math-errno -fno-trapping-math -x c
# PTX of the first: the driver of every GPU that machine code is made for, and of newer ones, can compile it
sass        = $(foreach a,$(CUDA_ARCHS),-gencode arch=compute_$a$(comma)code=sm_$a)
ptx         = $(foreach a,$(firstword $(CUDA_ARCHS)),-gencode arch=compute_$a$(comma)code=compute_$a)
cuda_KERNEL = $(NVCC) -std=c++17 -O3 -fmad=false -MMD -MP $(sass) $(ptx) $(NVCC_FLAGS)
COMPILE_KERNEL = $($(DEVICE)_KERNEL)
LINK       := $(CC) $(CFLAGS) -fopenmp $(EXTRA_CFLAGS) $(LDFLAGS)

# ---- what is built of what -------------------------------------------------------------------------------------------
cpu_DOORS  := src/device/device_cpu.c mpi/group_mpi.c
cuda_DOORS := src/device/device_cuda.c mpi/group_nccl.c
OTHER_DEVICE := $(filter-out $($(DEVICE)_DOORS),$(cpu_DOORS) $(cuda_DOORS))
SOURCES := $(filter-out $(OTHER_DEVICE),$(wildcard src/*/*.c mpi/*.c))
KERNELS := $(wildcard kernels/*.cu)
MAIN    := $(BUILD)/src/main.o
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o) $(KERNELS:%.cu=$(BUILD)/%.o)
TESTS   := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/test_*.c))
HELPERS := $(patsubst %.c,$(BUILD)/%.o,$(filter-out $(wildcard tests/test_*.c),$(wildcard tests/*.c)))
BENCHES := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/*.c))

all: $(BUILD)/dpsweep                        ## build/dpsweep (the default)
	$(Q)mkdir -p build && ln -sfnr $< build/dpsweep

tests: $(BUILD)/dpsweep $(TESTS) $(BENCHES)  ## the test programs
	@:

$(BUILD)/dpsweep: $(MAIN) $(OBJECTS)
$(TESTS): %: %.o $(HELPERS) $(OBJECTS)
$(BENCHES): %: %.o $(OBJECTS)
$(TESTS): LIBS += -lcmocka
# benches look on, or stand in
$(BUILD)/tests/bench/step_bound: LIBS += -Wl,--wrap=device_gemm
$(BUILD)/tests/bench/rank0: LIBS += $(addprefix -Wl$(comma)--wrap=,world gather_start gather_wait run_predict)
# what check-gpu runs beside the program: of the kernels alone, and of all
KERNEL_PROGRAMS := $(addprefix $(BUILD)/tests/gpu/,kernel_bits kernel_speed)
DEVICE_PROGRAMS := $(addprefix $(BUILD)/tests/gpu/,large_copies product_errors norm_slack group_of_one)
GPU_PROGRAMS := $(KERNEL_PROGRAMS) $(DEVICE_PROGRAMS)
$(KERNEL_PROGRAMS): $(KERNELS:%.cu=$(BUILD)/%.o)
$(BUILD)/tests/gpu/kernel_bits: $(BUILD)/tests/emu/kernel_bits.o $(BUILD)/tests/gpu/on_gpu.o
$(BUILD)/tests/gpu/kernel_speed: $(BUILD)/tests/gpu/kernel_speed.o
$(DEVICE_PROGRAMS): %: %.o $(OBJECTS)
$(BUILD)/tests/gpu/group_of_one: \
    LIBS += $(addprefix -Wl$(comma)--wrap=,group_sum group_overlaps group_sum_part group_sum_join group_reduce_scatter \
      group_all_gather)
CAPPED := $(addprefix $(BUILD)/tests/gpu/,kernel_bits group_of_one)
$(CAPPED): $(BUILD)/tests/gpu/kernel_grid.o
$(CAPPED): LIBS += -Wl,--wrap=__cudaPushCallConfiguration
$(BUILD)/dpsweep $(TESTS) $(BENCHES) $(GPU_PROGRAMS):
	@echo "  LINK  $@"
	$(Q)$(LINK) -o $@ $^ $(LIBS)

$(BUILD)/%.o: %.c $(BUILD)/command | $(BUILD)/libraries
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(COMPILE) -c -o $@ $<
$(BUILD)/%.o: %.cu $(BUILD)/kernel_command | $(BUILD)/libraries
	@mkdir -p $(@D)
	@echo "  $(if $(filter cuda,$(DEVICE)),NVCC,CC  )  $<"
	$(Q)$(COMPILE_KERNEL) -c -o $@ $<

# Small files that are written only when their text changes.  Every object depends on the command that compiles it; the
# few that name the commit depend on the commit.
define BUILD_INFO
#define DPSWEEP_VERSION "$(VERSION)"
#define DPSWEEP_GIT_COMMIT "$(or $(shell git describe --always --dirty --abbrev=12 --exclude='*' 2>/dev/null),unknown)"
#define DPSWEEP_COMPILER "$(shell $(CC) --version 2>/dev/null | head -n 1)"
endef
INFORMED := $(patsubst %.c,$(BUILD)/%.o,$(shell \
              grep -lsE 'DPSWEEP_(VERSION|GIT_COMMIT|COMPILER)' src/main.c $(SOURCES)))
$(INFORMED): $(BUILD)/build_info.h
$(INFORMED): private COMPILE += -include $(BUILD)/build_info.h
$(BUILD)/build_info.h: export TEXT = $(BUILD_INFO)
$(BUILD)/command:      export TEXT = $(COMPILE)
$(BUILD)/kernel_command: export TEXT = $(COMPILE_KERNEL)
$(BUILD)/build_info.h $(BUILD)/command $(BUILD)/kernel_command: always
	@mkdir -p $(@D)
	@printf '%s\n' "$$TEXT" | cmp -s - $@ || printf '%s\n' "$$TEXT" > $@

# A missing library is one line, not a page of the compiler's.  header:Debian package
cpu_NEEDED  := dnnl.h:libdnnl-dev
cuda_NEEDED := nccl.h:libnccl-dev
NEEDED := $($(DEVICE)_NEEDED) mpi.h:libopenmpi-dev hdf5.h:libhdf5-dev cjson/cJSON.h:libcjson-dev ini.h:libinih-dev \
          sodium.h:libsodium-dev zlib.h:zlib1g-dev
$(BUILD)/libraries: $(BUILD)/command
	@command -v $(CC) >/dev/null || { echo "dpsweep: no compiler $(CC): \`make setup\` installs gcc"; exit 3; } >&2
	@[ $(DEVICE) = cpu ] || { [ -x "$(NVCC)" ] && [ -f "$(CUDA_HOME)/include/cublas_v2.h" ]; } || { \
	    echo "dpsweep: no CUDA toolkit with nvcc and cuBLAS in $(CUDA_HOME): say where it is with CUDA_HOME=...," \
	         "or build for the CPU with DEVICE=cpu"; exit 3; } >&2
	@for need in $(NEEDED); do \
	    echo "#include <$${need%:*}>" | $(COMPILE) -MF /dev/null -E - >/dev/null 2>&1 || { \
	        echo "dpsweep: <$${need%:*}> is missing (Debian: $${need#*:}): \`make setup\` installs it," \
	             "docs/building.md says how to name another place"; exit 3; } >&2; \
	done
	@touch $@

# ---- what people type ------------------------------------------------------------------------------------------------
# make starts anew after setup, which may have brought the libraries that are looked for above
SETUP  ?= .ci/setup
PREFIX ?= /usr/local

demo: setup                                  ## sweep DP trainers over real text under mpirun, print the table
	$(Q)$(MAKE) --no-print-directory all
	$(Q)BUILD=$(BUILD) jobs/demo.sh

test: setup                                  ## all tests; T="journal store" only suites whose names contain these
	$(Q)$(MAKE) --no-print-directory all tests
	$(Q)BUILD=$(BUILD) DEVICE=$(DEVICE) tests/run.sh $(T)

test-long: setup                             ## tests/long/*.sh: comparisons that take hours; T=name as above
	$(Q)$(MAKE) --no-print-directory all tests
	$(Q)BUILD=$(BUILD) DEVICE=$(DEVICE) TESTS=tests/long PATTERN='*' TIME_LIMIT=14400 tests/run.sh $(T)

mutate: setup                                ## seed bugs: verification and GPU suites must notice (quarter of an hour)
	$(Q)$(MAKE) --no-print-directory all
	$(Q)BUILD=$(BUILD) tests/gate/mutate
	$(Q)$(MAKE) --no-print-directory -f tests/emu/Makefile BUILD=$(BUILD)
	$(Q)BUILD=$(BUILD) tests/emu/mutate
	$(Q)$(MAKE) --no-print-directory DEVICE=cuda BUILD=build/cuda build/cuda/dpsweep build/cuda/tests/gpu/large_copies
	$(Q)$(MAKE) --no-print-directory -C tests/standin OUT=$(abspath $(BUILD))/standin
	$(Q)BUILD=$(BUILD) tests/standin/mutate

gpu-programs: $(BUILD)/dpsweep $(GPU_PROGRAMS) $(BENCHES)
	@:

check-gpu:                                   ## what only a GPU can show: ten minutes, one report to send back
	$(Q)tests/gpu/check_gpu

check-gpu-bundle:                            ## the same for machines without a compiler: build/check-gpu.tar.gz
	$(Q)tests/gpu/bundle

bench: $(BENCHES) all                        ## the suite itself, B="growth peer" of it; BENCH=quick|long, REFERENCE=DIR
	$(Q)BUILD=$(BUILD) tests/bench/bench.sh $(B)

setup:                                       ## install the Debian packages that are missing; SETUP=true skips it
	$(Q)$(SETUP)

install: all                                 ## to PREFIX (/usr/local), below DESTDIR if given
	$(Q)install -D -t $(DESTDIR)$(PREFIX)/bin $(BUILD)/dpsweep
	$(Q)install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/dpsweep/jobs $(wildcard jobs/*.sweep) jobs/README.md
	$(Q)install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/dpsweep/jobs/slurm $(wildcard jobs/slurm/*.sbatch)
	$(Q)install -D -t $(DESTDIR)$(PREFIX)/share/dpsweep/results $(wildcard results/*.py)
	$(Q)install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/dpsweep/results results/README.md
	$(Q)install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/dpsweep README.md CHANGELOG.md LICENSE docs/*.md docs/*.svg

docs: all                                    ## write the pages that the program prints from its tables
	$(Q)$(BUILD)/dpsweep info --options > docs/options.md
	$(Q)$(BUILD)/dpsweep info --results-format > docs/results-format.md

feasibility: all                             ## write docs/feasibility.{md,svg}: what fits where (of DEVICE=cuda)
	$(Q)$(BUILD)/dpsweep plan jobs/feasibility.sweep --target rtx4090-24g,a100-40g,h100-80g,h200-141g --json \
	    > $(BUILD)/feasibility.json
	$(Q)results/feasibility.py < $(BUILD)/feasibility.json > docs/feasibility.md
	$(Q)results/feasibility_figure.py < $(BUILD)/feasibility.json > docs/feasibility.svg

format:                                      ## clang-format on the lines changed since the last commit
	$(Q)git clang-format --extensions c,h,cu

help:                                        ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 18

clean:                                       ## remove build/
	$(Q)rm -rf build

.DEFAULT_GOAL := all
.PHONY: all tests demo test test-long mutate bench setup install docs feasibility format help clean always
.PHONY: gpu-programs check-gpu check-gpu-bundle
-include $(OBJECTS:.o=.d) $(MAIN:.o=.d) $(TESTS:=.d) $(HELPERS:.o=.d) $(BENCHES:=.d) $(GPU_PROGRAMS:=.d)
