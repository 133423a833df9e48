#!/bin/sh
# Runs a test binary with AddressSanitizer's runtime in front of everything else
# (UndefinedBehaviorSanitizer's comes with the library),
# for 'go test -exec': the binary is Go's and only the native library that it opens
# is instrumented. The C++ runtime must come with it, or the sanitizer finds no
# exceptions to intercept. Leaks are counted by the tests themselves
# (torch.LiveTensors); the short quarantine leaves their memory budgets meaningful. A
# request for more memory than there is fails as it does without the sanitizer, since a
# test asks whether that is an error.
CXX=${CXX:-g++}
LD_PRELOAD="$($CXX -print-file-name=libasan.so) $($CXX -print-file-name=libstdc++.so.6)"
ASAN_OPTIONS=detect_leaks=0:quarantine_size_mb=8:allocator_may_return_null=1
UBSAN_OPTIONS=print_stacktrace=1
export LD_PRELOAD ASAN_OPTIONS UBSAN_OPTIONS
exec "$@"
