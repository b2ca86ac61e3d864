// Which bytes are text, and GB18030 as UTF-8, against plain rules.
#include "common.hpp"

using namespace fuzz;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Input input{data, size};
    const auto encoding = static_cast<Encoding>(input.below(3));
    const PaddedText text{input.rest(), kPaddings[size % 4]};
    const std::string_view bytes = input.rest();
    const Gb18030& tables = MadeUpTables::instance().view;

    int64_t bad = -1;
    std::string utf8;
    for (size_t at = 0; at < bytes.size() && bad < 0;) {
        const PlainCharacter character = plain_character(encoding, bytes.substr(at));
        if (character.bytes == 0) bad = static_cast<int64_t>(at);
        else utf8 += utf8_of(character.code);
        at += character.bytes;
    }
    const auto length = static_cast<int64_t>(bytes.size());
    REQUIRE(first_invalid(encoding, tables, text.data(), length) == bad);

    const uint8_t* end = text.data() + length;
    for (const uint8_t* at = text.data(); at < end; ++at) {  // from the middle of a character too
        const std::string_view here = bytes.substr(static_cast<size_t>(at - text.data()));
        REQUIRE(utf8_length(at, end) == plain_utf8(here).bytes);
        const Character character = gb18030_at(tables, at, end);
        const PlainCharacter plain = plain_gb18030(here);
        REQUIRE(character.bytes == plain.bytes && (plain.bytes == 0 || character.code == plain.code));
    }
    if (encoding == Encoding::gb18030 && bad < 0) {
        std::vector<uint8_t> out(bytes.size() * 3 / 2 + 4);
        const uint8_t* written = gb18030_to_utf8(tables, text.data(), end, out.data());
        REQUIRE(std::string_view(reinterpret_cast<const char*>(out.data()),
                                 static_cast<size_t>(written - out.data())) == utf8);
    }
    return 0;
}
