# zdm is built here and nowhere else; CMakeLists.txt serves people and their tools.
EXTENSION   = zdm
MODULE_big  = zdm
DATA        = $(wildcard sql/zdm--*.sql)
OBJS        = $(patsubst %.cpp,%.o,$(sort $(wildcard src/*/*.cpp)))
REGRESS     = $(patsubst sql/%.sql,%,$(sort $(filter-out $(DATA),$(wildcard sql/*.sql))))
REGRESS_OPTS = --load-extension=zdm
ISOLATION   = $(patsubst test/isolation/specs/%.spec,%,$(sort $(wildcard test/isolation/specs/*.spec)))
ISOLATION_OPTS = --load-extension=zdm --inputdir=test/isolation

PG_CXXFLAGS = -std=gnu++20 -fno-exceptions -fno-rtti -fno-threadsafe-statics -fvisibility=hidden \
	-Wall -Wextra -Wshadow -Wno-unused-parameter -Wno-register -Wno-missing-field-initializers $(ZDM_CXXFLAGS)
PG_CPPFLAGS = -Isrc

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)

# PostgreSQL's headers are not ours to warn about.
override CPPFLAGS := -isystem $(shell $(PG_CONFIG) --includedir-server) $(CPPFLAGS)

# Nothing here is worth inlining into a query; and PGXS would compile the bitcode as C++14.
override with_llvm = no

include $(PGXS)

# PGXS tracks no C++ dependencies: let the compiler write them.
override CXXFLAGS += -MMD -MP
-include $(OBJS:.o=.d)
EXTRA_CLEAN += $(OBJS:.o=.d)

check-style:
	test/doors
.PHONY: check-style
