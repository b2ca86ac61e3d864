// Runs a target on files, and on mutations of them: what any C++ compiler can do without a fuzzer.
//     replay MUTATIONS FILE…
// Mutations are the same in every run. An input that breaks the target is printed in hex, whatever found the fault.
#include <csignal>
#include <fstream>
#include <iterator>

#include <unistd.h>

#include "common.hpp"

namespace {

std::string current;

// Called as a signal handler: nothing but write.
void show_input(int) {
    static constexpr char kHex[] = "0123456789abcdef";
    auto say = [](const char* text, size_t n) { (void)!write(STDERR_FILENO, text, n); };
    say("input: ", 7);
    for (const char c : current) {
        const auto byte = static_cast<uint8_t>(c);
        const char pair[] = {kHex[byte >> 4], kHex[byte & 15]};
        say(pair, 2);
    }
    say("\n", 1);
    std::signal(SIGABRT, SIG_DFL);
    std::raise(SIGABRT);
}

uint64_t next_random(uint64_t& state) {  // SplitMix64
    uint64_t z = state += 0x9E3779B97F4A7C15ull;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ z >> 27) * 0x94D049BB133111EBull;
    return z ^ z >> 31;
}

// One to four changes: a byte, one of the bytes that formats are made of, a piece taken out, a piece said twice.
std::string mutated(std::string bytes, uint64_t& state) {
    static constexpr char kTelling[] = "\n\r|,\"\"+-.0959 \x80\x81\xE4\xFF";
    for (uint64_t changes = next_random(state) % 4 + 1; changes; --changes) {
        const size_t at = next_random(state) % (bytes.size() + 1), length = next_random(state) % 16;
        const auto byte = static_cast<char>(next_random(state));
        const char telling = kTelling[next_random(state) % (sizeof kTelling - 1)];
        switch (next_random(state) % 5) {
            case 0: bytes.replace(at, at < bytes.size(), 1, byte); break;
            case 1: bytes.replace(at, at < bytes.size(), 1, telling); break;
            case 2: bytes.insert(at, 1, telling); break;
            case 3: bytes.erase(at, length); break;
            default: bytes.insert(at, bytes.substr(at, length)); break;
        }
    }
    return bytes;
}

void run(const std::string& bytes) {
    current = bytes;
    const std::vector<uint8_t> exact(bytes.begin(), bytes.end());
    LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

}  // namespace

int main(int count, char** arguments) {
    std::signal(SIGABRT, show_input);
    if (count < 2) return 64;
    const long mutations = std::strtol(arguments[1], nullptr, 10);
    uint64_t state = 1, executions = 0;
    for (int i = 2; i < count; ++i) {
        std::ifstream file(arguments[i], std::ios::binary);
        const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
        run(bytes);
        for (long m = 0; m < mutations; ++m) run(mutated(bytes, state));
        executions += static_cast<uint64_t>(mutations) + 1;
    }
    std::printf("%llu executions\n", static_cast<unsigned long long>(executions));
}
