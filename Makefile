# make demo    runs a digit classifier on images it has not seen and compiles it to an object file
# make test    lint, types, tests
# Both make .venv first; choose its Python with: make PYTHON=python3.12 demo
PYTHON ?= python3

demo: .venv/package
	@mkdir -p build
	@echo '# an object file and a C header, with the weights inside'
	.venv/bin/flowc compile samples/digits.flow -o build/digits.o
	@echo
	@echo '# the images kept back from training'
	said=$$(.venv/bin/flowc run samples/digits.flow evaluate --feed image=samples/digits_heldout.npz:images \
	  --feed expected=samples/digits_heldout.npz:labels) && printf '%s\n' "$$said" | sed 's/^accuracy: f32 /accuracy /'
	@echo
	@echo '# the model after fusion: five kernels, softmax is one of them'
	.venv/bin/flowc compile samples/digits.flow --graph classify --stop-after fuse --dump-after fuse
	@echo
	@echo 'What to try next: docs/getting-started.md, flowc test samples/digits.flow, flowc check samples/digits.flow, flowc ops,'
	@echo 'and your own model: flowc compile my.flow, then #include "my.h".'

test: .venv/tools
	@.venv/bin/ruff check
	@.venv/bin/pyright
	@.venv/bin/pytest -n 2

# Rewrites the expected texts of the tests; read the difference before you commit it.
bless: .venv/tools
	@.venv/bin/pytest -n 2 --bless

# Ratios to numpy, and to PyTorch where it is installed, in one run.
bench: .venv/package
	@.venv/bin/python -m benchmarks

clean:
	@rm -rf .venv build dist flowc.egg-info .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -prune -exec rm -rf {} +

.venv/package: pyproject.toml setup.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'flowc needs Python 3.11 or newer; $(PYTHON) is not. Choose another: make PYTHON=python3.12'; exit 1; }
	@test -x .venv/bin/pip || { rm -rf .venv && $(PYTHON) -m venv .venv; }
	@$(call install,.)
	@touch $@

.venv/tools: .venv/package
	@$(call install,'.[test]')
	@touch $@

# pip speaks only when it fails.
install = said=$$(.venv/bin/pip install --disable-pip-version-check -e $(1) 2>&1) || { printf '%s\n' "$$said"; exit 1; }

.PHONY: demo test bless bench clean
