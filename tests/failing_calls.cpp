// System calls that fail on demand: a library to be loaded before others (LD_PRELOAD), for Python's as for SQLite's.
//
// Every call that opens, changes, syncs or removes something below one folder is a step. At one step, or from it on, a
// fault happens: the process is killed before the call or with half of a write done, or the call fails, undone or done.
// Each call is told to a log, so that whoever chooses steps knows what they are.

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>

namespace {

enum Kind { none, killed, torn, fails, fails_done, short_write };

constexpr int most_handles = 4096;
char folder[4096];
std::atomic<bool> ours[most_handles];  // open files below the folder
std::atomic<long> steps{0};
long first = 0;
int kind = none, code = 0, log_handle = -1;
bool for_ever = false, only_opens = false;

template <typename Function>
Function next(const char* name) {
    return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

#define REAL(name) static const auto real = next<decltype(&::name)>(#name)

bool below(const char* path) { return folder[0] && strncmp(path, folder, strlen(folder)) == 0; }

bool is_ours(int handle) { return handle >= 0 && handle < most_handles && ours[handle]; }

bool is_ours(int at, const char* path) { return path[0] == '/' ? below(path) : is_ours(at); }

void tell(long step, const char* call, const char* path) {
    if (log_handle < 0) return;
    char line[4200];
    const int length = snprintf(line, sizeof line, "%ld %s %s\n", step, call, path);
    REAL(write);
    (void)!real(log_handle, line, length);
}

// What happens at this step; a process that is to be killed before the call does not come back.
Kind fault_of(const char* call, const char* path, bool opens = false) {
    const long step = ++steps;
    tell(step, call, path);
    const bool met = kind != none && (step == first || (for_ever && step > first)) && (opens || !only_opens);
    if (met && kind == killed) kill(getpid(), SIGKILL);
    if (met && kind == fails) errno = code;
    return met ? Kind(kind) : none;
}

template <typename Call>
auto step(const char* name, const char* path, Call call, bool opens = false) -> decltype(call()) {
    const Kind met = fault_of(name, path, opens);
    if (met == torn) kill(getpid(), SIGKILL);
    if (met == fails) return -1;
    const auto result = call();
    if (met != fails_done) return result;
    errno = code;
    return -1;
}

template <typename Call>
ssize_t step_of_write(int handle, size_t size, Call call) {
    char path[4096] = "", link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
    (void)!readlink(link, path, sizeof path - 1);
    const Kind met = fault_of("write", path);
    if (met == none) return call(size);
    const ssize_t written = met == fails ? -1 : call(size / 2 + (met == short_write && size == 1));
    if (met == torn) kill(getpid(), SIGKILL);
    if (met == short_write) return written;
    errno = code;
    return -1;
}

int opened(int handle, bool below_folder) {
    if (handle >= 0 && handle < most_handles) ours[handle] = below_folder;
    return handle;
}

}  // namespace

extern "C" {

void fault_arm(const char* below_folder, long step, int what, int error, int from_then_on, int opens_only) {
    snprintf(folder, sizeof folder, "%s", below_folder);
    kind = none;
    steps = 0;
    first = step, code = error, for_ever = from_then_on, only_opens = opens_only;
    kind = what;
}

void fault_log(int handle) { log_handle = handle; }

#define OPEN(name, at, ...)                                                                            \
    {                                                                                                  \
        mode_t mode = 0;                                                                               \
        if (flags & (O_CREAT | O_TMPFILE)) {                                                           \
            va_list rest;                                                                              \
            va_start(rest, flags);                                                                     \
            mode = va_arg(rest, mode_t);                                                               \
            va_end(rest);                                                                              \
        }                                                                                              \
        REAL(name);                                                                                    \
        if (!is_ours(at, path)) return opened(real(__VA_ARGS__, mode), false);                         \
        const int handle = step(flags & O_CREAT ? "create" : "open", path,                             \
                                [&] { return real(__VA_ARGS__, mode); }, true);                        \
        return opened(handle, true);                                                                   \
    }

int open(const char* path, int flags, ...) OPEN(open, -1, path, flags)
int open64(const char* path, int flags, ...) OPEN(open64, -1, path, flags)
int openat(int at, const char* path, int flags, ...) OPEN(openat, at, at, path, flags)
int openat64(int at, const char* path, int flags, ...) OPEN(openat64, at, at, path, flags)

int close(int handle) {
    REAL(close);
    opened(handle, false);
    return real(handle);
}

ssize_t write(int handle, const void* data, size_t size) {
    REAL(write);
    if (!is_ours(handle)) return real(handle, data, size);
    return step_of_write(handle, size, [&](size_t part) { return real(handle, data, part); });
}

ssize_t pwrite(int handle, const void* data, size_t size, off_t at) {
    REAL(pwrite);
    if (!is_ours(handle)) return real(handle, data, size, at);
    return step_of_write(handle, size, [&](size_t part) { return real(handle, data, part, at); });
}

ssize_t pwrite64(int handle, const void* data, size_t size, off64_t at) {
    REAL(pwrite64);
    if (!is_ours(handle)) return real(handle, data, size, at);
    return step_of_write(handle, size, [&](size_t part) { return real(handle, data, part, at); });
}

#define OF_HANDLE(name, told, signature, ...)                                                          \
    int name signature {                                                                               \
        REAL(name);                                                                                    \
        if (!is_ours(handle)) return real(__VA_ARGS__);                                                \
        char path[4096] = "", link[64];                                                                \
        snprintf(link, sizeof link, "/proc/self/fd/%d", handle);                                       \
        (void)!readlink(link, path, sizeof path - 1);                                                  \
        return step(told, path, [&] { return real(__VA_ARGS__); });                                    \
    }

OF_HANDLE(fsync, "sync", (int handle), handle)
OF_HANDLE(fdatasync, "sync", (int handle), handle)
OF_HANDLE(ftruncate, "truncate", (int handle, off_t size) noexcept, handle, size)
OF_HANDLE(ftruncate64, "truncate", (int handle, off64_t size) noexcept, handle, size)

#define OF_PATH(name, told, signature, at, ...)                                                        \
    int name signature noexcept {                                                                      \
        REAL(name);                                                                                    \
        if (!is_ours(at, path)) return real(__VA_ARGS__);                                              \
        return step(told, path, [&] { return real(__VA_ARGS__); });                                    \
    }

OF_PATH(rename, "rename", (const char* path, const char* target), -1, path, target)
OF_PATH(unlink, "remove", (const char* path), -1, path)
OF_PATH(unlinkat, "remove", (int at, const char* path, int flags), at, at, path, flags)
OF_PATH(rmdir, "remove", (const char* path), -1, path)
OF_PATH(mkdir, "make", (const char* path, mode_t mode), -1, path, mode)
OF_PATH(mkdirat, "make", (int at, const char* path, mode_t mode), at, at, path, mode)
}
