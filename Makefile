# The front door. CMake does the work; `make help` lists the doors.
BUILD ?= build
.PHONY: all deps demo words test test-full install check format clean help
all: ; @tools/deps.sh build && cmake --preset release -B $(BUILD) -DANYTAG_TESTS=OFF -DANYTAG_BENCH=OFF >/dev/null && cmake --build $(BUILD)
deps: ; @tools/deps.sh build test
demo: all ; @tools/demo.sh $(BUILD) "$(PHOTOS)"
words: all ; @tools/deps.sh words && tools/words.sh $(BUILD) $(MODELS)
test: ; @tools/deps.sh build test && tools/run-tests.sh $(BUILD)
test-full: ; @tools/deps.sh build test && ANYTAG_FULL=1 tools/run-tests.sh $(BUILD)
install: all ; cmake --install $(BUILD) $(if $(PREFIX),--prefix "$(PREFIX)") >/dev/null
check: ; @tools/check.sh
format: ; git ls-files '*.c' '*.h' | xargs clang-format -i
clean: ; rm -rf $(BUILD)
help: ; @printf '%s\n' 'make            build' 'make demo       tag photographs, write a contact sheet (PHOTOS=dir: your own)' 'make words      fetch the text encoder for words of your own (MODELS=dir)' 'make test       every test' 'make test-full  and the full-size models' 'make install    to /usr/local (PREFIX=dir: elsewhere)' 'make check      layers, banned calls' 'make format     clang-format' 'make clean'
