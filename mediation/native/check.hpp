// What holds whatever a file says: checked in every build. Where it does not hold, the code is wrong, and the process
// ends at once rather than write beyond its memory.
#pragma once

#define MEDIATION_CHECK(condition) (__builtin_expect(!(condition), 0) ? __builtin_trap() : void())
