// Marks for callgrind, called by counted.py: from where on it counts, and what it has counted since.
#include <valgrind/callgrind.h>

extern "C" {
void count_on() { CALLGRIND_START_INSTRUMENTATION; }
void count_from_here() { CALLGRIND_ZERO_STATS; }
void count_told(const char* name) { CALLGRIND_DUMP_STATS_AT(name); }
}
