# Builds the fuzz targets for board/fuzz, from the checkout's top: one program for each file in Tests/Fuzz/Targets.
# The product's modules have libFuzzer's counters; the targets and what they share have none. Every program takes
# from one archive what its target imports, so that a small target counts little.

# `make gateway=-Onone out=…` leaves out what costs most of the time: optimising the gateway, of which the targets
# of board/test use next to nothing.
out := .build/fuzz
gateway :=
targets := $(patsubst Tests/Fuzz/Targets/%Fuzz.swift,%,$(wildcard Tests/Fuzz/Targets/*Fuzz.swift))
lower = $(shell echo $(1) | tr A-Z a-z)
programs := $(foreach target,$(targets),$(out)/$(call lower,$(target)))
objects := $(foreach module,Base Modbus MQTT HTTP Line Drivers Adapter Spool Bridge Gateway Simulators TestKit FuzzKit,$(out)/$(module).o)

swift = swiftc -O -parse-as-library -swift-version 6 -enable-upcoming-feature ExistentialAny -package-name fieldgw -I $(out)

all: $(programs)
.PHONY: all

# $(call module,NAME,FLAGS,SOURCES,MODULES): one object, built again when a source is newer or a module that it
# imports. The compiler leaves a module's interface as it is when nothing in it has changed.
define module
$(out)/$(1).o: $(3) $(foreach used,$(4),$(out)/$(used).swiftmodule) board/setup/fuzz.mk
	$(swift) -wmo $(2) -module-name $(1) -emit-module -emit-module-path $(out)/$(1).swiftmodule -c $(3) -o $$@
$(out)/$(1).swiftmodule: $(out)/$(1).o ;
endef
product = $(eval $(call module,$(1),-sanitize=fuzzer $(3),$(shell find Sources/$(1) -name '*.swift'),$(2)))

$(call product,Base,)
$(call product,Modbus,Base)
$(call product,MQTT,Base)
$(call product,HTTP,Base)
$(call product,Adapter,Base)
$(call product,Spool,Base)
$(call product,Line,Base Modbus)
$(call product,Drivers,Base Modbus Line)
$(call product,Bridge,Base MQTT)
$(call product,Gateway,Modbus MQTT HTTP Line Drivers Adapter Spool Bridge,$(gateway))
$(call product,Simulators,Modbus MQTT HTTP Bridge)
$(eval $(call module,TestKit,,Tests/TestKit/CarriedLine.swift Tests/TestKit/VirtualDisk.swift,Base Line))
$(eval $(call module,FuzzKit,,$(wildcard Tests/Fuzz/Kit/*.swift),Base))

# An object for each target, so that the archive can give them out one by one.
$(out)/targets.stamp: $(wildcard Tests/Fuzz/Targets/*.swift) $(objects)
	mkdir -p $(out)/entries
	for target in $(targets); do \
	    name=$$(echo $$target | tr A-Z a-z); \
	    printf '%s\n' "import FuzzKit" "import FuzzTargets" "@_cdecl(\"fuzz_$$name\")" \
	        "public func fuzz_$$name(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {" \
	        "    runBudgeted($${target}Fuzz.self, data, count)" "}" >$(out)/entries/$${target}Entry.swift; \
	done
	cd $(out) && $(subst -I $(out),-I .,$(swift)) -j 2 -module-name FuzzTargets -emit-module \
	    -emit-module-path FuzzTargets.swiftmodule -c $(wildcard $(CURDIR)/Tests/Fuzz/Targets/*.swift)
	cd $(out)/entries && $(subst -I $(out),-I ..,$(swift)) -j 2 -module-name Entries -c *Entry.swift
	touch $@

$(out)/libfuzz.a: $(out)/targets.stamp
	rm -f $@
	ar rcs $@ $(objects) $(foreach file,$(wildcard Tests/Fuzz/Targets/*.swift),$(out)/$(notdir $(file:.swift=.o))) $(out)/entries/*.o

$(programs): $(out)/libfuzz.a
	swiftc -sanitize=fuzzer -use-ld=lld -Xlinker -u -Xlinker fuzz_$(notdir $@) \
	    -Xlinker --defsym=LLVMFuzzerTestOneInput=fuzz_$(notdir $@) $< -lm -o $@
