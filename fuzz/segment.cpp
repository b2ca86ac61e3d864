// Segments that are written, read, searched and merged, against a plain list of their entries; and one that was changed
// and sealed again, as only whoever knows the secret can: the reader calls it damaged, or keeps within its bounds, and
// what is merged of it is sound.
#include <algorithm>
#include <functional>
#include <memory>

#include "common.hpp"
#include "dedup/segment_merge.hpp"

using namespace fuzz;

namespace {

const SipState kSecret = SipState::keyed(1, 2);
constexpr int32_t kDays[] = {kUndated, 0, 7, 8, 40};
constexpr uint32_t kDayCount = sizeof kDays / sizeof kDays[0];

struct Entry {
    Fingerprint key;
    int32_t check, day;
};
using Entries = std::vector<Entry>;
using Bytes = std::vector<uint8_t>;

uint64_t next_random(uint64_t& state) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return state ^ state >> 29;
}

// Fingerprints that are spread, crowded into one share, or alike but for their second words; each once.
Entries choose_entries(Input& input) {
    const uint32_t count = input.byte() * (input.coin() ? 3u : 1u), shape = input.below(3);
    const uint32_t days = input.below(kDayCount);
    uint64_t state = input.byte();
    Entries entries;
    for (uint32_t i = 0; i < count; ++i) {
        const uint64_t word = next_random(state);
        const uint64_t low = shape == 0 ? word : shape == 1 ? word >> 40 : 77;
        entries.push_back({{low, i * 0x9E3779B97F4A7C15ull}, static_cast<int32_t>(i), kDays[word % (days + 1)]});
    }
    return entries;
}

// The columns that kernels take.
struct Columns {
    std::vector<Fingerprint> keys;
    std::vector<int32_t> checks, days;
    std::vector<uint8_t> dated;

    explicit Columns(const Entries& entries) : dated(entries.size() / 8 + 1) {
        for (const Entry& entry : entries) {
            if (entry.day != kUndated) dated[keys.size() / 8] |= static_cast<uint8_t>(1u << keys.size() % 8);
            keys.push_back(entry.key);
            checks.push_back(entry.check);
            days.push_back(entry.day);
        }
    }
    ColumnView view(Kind kind, const void* data, const uint8_t* validity) const {
        ColumnView view;
        view.kind = kind;
        view.length = static_cast<int64_t>(keys.size());
        view.data = static_cast<const uint8_t*>(data);
        view.validity = validity;
        return view;
    }
    ColumnView key_view() const { return view(Kind::fixed16, keys.data(), nullptr); }
    ColumnView day_view() const { return view(Kind::i32, days.data(), dated.data()); }
};

void append(Bytes& file, uint64_t count, const std::function<void(uint8_t*)>& write) {
    Bytes part(count);
    write(part.data());
    file.insert(file.end(), part.begin(), part.end());
}

Bytes written(const Entries& entries) {
    const Columns columns(entries);
    const SortedSegment sorted({columns.keys.data(), columns.checks.data(), columns.day_view(),
                                static_cast<uint32_t>(entries.size())}, kSecret);
    const auto& places = sorted.frame.places();
    Bytes file;
    append(file, sizeof(SegmentHeader), [&](uint8_t* out) { sorted.frame.write_header(out); });
    for (uint64_t p = 0; p < places.size(); ++p)
        append(file, sorted.bytes_of_buckets(p, 0, places[p].buckets),
               [&](uint8_t* out) { sorted.write_buckets(p, 0, places[p].buckets, out); });
    for (uint64_t p = 0; p < places.size(); ++p)
        append(file, filter_bytes(places[p]), [&](uint8_t* out) { sorted.write_filter(p, out); });
    for (uint64_t p = 0; p < places.size(); ++p)
        append(file, begins_bytes(places[p]),
               [&](uint8_t* out) { sorted.frame.write_begins(p, sorted.begins_of(p), out); });
    append(file, directory_bytes(places.size()), [&](uint8_t* out) { sorted.frame.write_directory(out); });
    REQUIRE(file.size() == sorted.frame.bytes());
    return file;
}

// Exactly these bytes of a file, or fewer where it ends.
Bytes read_at(const Bytes& file, uint64_t offset, uint64_t count) {
    if (offset >= file.size()) return {};
    const auto begin = file.begin() + static_cast<int64_t>(offset);
    return {begin, begin + static_cast<int64_t>(std::min<uint64_t>(count, file.size() - offset))};
}

// -------------------------------------------------------------------------------------------- reading

struct Segment {
    const Bytes* file;
    SegmentIndex index;
};

bool open(Segment& segment, const Bytes& file) {
    segment.file = &file;
    const Bytes header = read_at(file, 0, sizeof(SegmentHeader));
    if (!segment.index.read_header(header.data(), header.size(), file.size(), kSecret)) return false;
    const SegmentHeader& told = segment.index.header;
    const Bytes directory = read_at(file, told.directory_offset, directory_bytes(told.partitions));
    if (!segment.index.read_directory(directory.data(), directory.size())) return false;
    uint64_t entries = 0;
    for (const Partition& partition : segment.index.partitions) entries += partition.place.entries;
    REQUIRE(entries == told.entries);
    return true;
}

bool read_begins(Segment& segment, uint64_t number) {
    const PartitionPlace& place = segment.index.partitions[number].place;
    const Bytes begins = read_at(*segment.file, place.begins_offset, begins_bytes(place));
    return segment.index.read_begins(number, begins.data(), begins.size());
}

bool read_partition(Segment& segment, uint64_t number) {
    const PartitionPlace& place = segment.index.partitions[number].place;
    const Bytes filter = read_at(*segment.file, place.filter_offset, filter_bytes(place));
    if (!segment.index.filter_closes(number, filter.data(), filter.size())) return false;
    REQUIRE(segment.index.keep_filter(number, filter.data()));
    return read_begins(segment, number);
}

bool search(Segment& segment, Probe& probe) {
    const std::vector<uint32_t> unread = probe.turn_to(segment.index);
    for (const uint32_t number : unread)
        if (!read_partition(segment, number)) return false;
    for (const BucketSpan& span : probe.ask(segment.index)) {
        const Bytes bytes = read_at(*segment.file, span.offset, span.bytes);
        if (!probe.search(segment.index, span, bytes.data(), bytes.size())) return false;
    }
    return true;
}

bool closes(Segment& segment) {
    for (uint64_t p = 0; p < segment.index.partitions.size(); ++p) {
        if (!read_partition(segment, p)) return false;
        const Partition& partition = segment.index.partitions[p];
        const uint64_t begin = partition.offset_of(0), end = partition.offset_of(partition.place.buckets);
        const Bytes bytes = read_at(*segment.file, begin, end - begin);
        if (!segment.index.buckets_close(p, 0, partition.place.buckets, bytes.data(), bytes.size())) return false;
    }
    return true;
}

// A text is hashed as its length and its bytes, padded with zeros to words.
void require_padded_words(std::string_view text) {
    SipStream found{kSecret}, plain{kSecret};
    found.add_text(text);
    plain.add(text.size());
    for (; !text.empty(); text.remove_prefix(std::min<size_t>(text.size(), 8))) {
        uint64_t word = 0;
        std::memcpy(&word, text.data(), std::min<size_t>(text.size(), 8));
        plain.add(word);
    }
    REQUIRE(found.finish() == plain.finish());
}

void require_shares_to_end(uint64_t n, uint64_t share) {
    const uint64_t last = last_of_share(share, n);
    REQUIRE(share_of(last, n) == share);
    REQUIRE(share + 1 == n ? last == UINT64_MAX : share_of(last + 1, n) == share + 1);
}

void require_memory_to_be_asked(const Bytes& file) {
    Segment segment;
    REQUIRE(open(segment, file));
    if (segment.index.partitions.empty()) return;
    const PartitionPlace& place = segment.index.partitions[0].place;
    const Bytes filter = read_at(file, place.filter_offset, filter_bytes(place));
    Arena::left = 0;
    REQUIRE(!segment.index.keep_filter(0, filter.data()) && !segment.index.partitions[0].is_read());
}

// What the file says of each entry; false where it is damaged.
bool ask(const Bytes& file, const Entries& asked, std::vector<int64_t>& answers) {
    Segment segment;
    if (!open(segment, file)) return false;
    const Columns columns(asked);
    std::vector<int32_t> checks(asked.size() + 1);
    std::vector<uint8_t> validity(asked.size() / 8 + 1);
    ColumnOut out;
    out.data = reinterpret_cast<uint8_t*>(checks.data());
    out.validity = validity.data();
    Probe probe;
    probe.begin(columns.key_view(), columns.day_view(), &out);
    if (!search(segment, probe)) return false;
    REQUIRE(probe.turn_to(segment.index).empty());
    for (size_t i = 0; i < asked.size(); ++i)
        answers.push_back(out.valid(static_cast<int64_t>(i)) ? int64_t{checks[i]} : -1);
    return true;
}

// -------------------------------------------------------------------------------------------- merging

bool merged(const std::vector<Bytes>& files, int32_t floor_day, uint32_t together, Bytes& out) {
    std::vector<std::unique_ptr<Segment>> segments;
    std::vector<const SegmentIndex*> inputs;
    for (const Bytes& file : files) {
        segments.push_back(std::make_unique<Segment>());
        if (!open(*segments.back(), file)) return false;
        inputs.push_back(&segments.back()->index);
    }
    MergedSegment merging(inputs, floor_day, kSecret);
    const auto& places = merging.frame.places();
    append(out, sizeof(SegmentHeader), [&](uint8_t* part) { merging.frame.write_header(part); });
    for (uint64_t p = 0; p < places.size(); ++p) {
        const std::vector<MergeSource> sources = merging.begin(p);
        for (const MergeSource& source : sources)
            if (!read_begins(*segments[source.input], source.partition)) return false;
        for (uint64_t end = 0; end < places[p].buckets;) {
            end = std::min<uint64_t>(end + together, places[p].buckets);
            for (const WantedBuckets& wanted : merging.want(end)) {
                const Bytes bytes = read_at(*segments[sources[wanted.source].input]->file, wanted.offset, wanted.bytes);
                if (!merging.take(wanted, bytes.data(), bytes.size())) return false;
            }
            append(out, merging.sort_slice(), [&](uint8_t* part) { merging.write_slice(part); });
        }
    }
    for (uint64_t p = 0; p < places.size(); ++p)
        append(out, filter_bytes(places[p]),
               [&](uint8_t* part) { std::memcpy(part, merging.filter_of(p), filter_bytes(places[p])); });
    for (uint64_t p = 0; p < places.size(); ++p)
        append(out, begins_bytes(places[p]),
               [&](uint8_t* part) { merging.frame.write_begins(p, merging.begins_of(p), part); });
    append(out, directory_bytes(places.size()), [&](uint8_t* part) { merging.frame.write_directory(part); });
    return true;
}

void require_sound(const Bytes& file) {
    Segment segment;
    REQUIRE(open(segment, file));
    REQUIRE(closes(segment));
}

// ------------------------------------------------------------------------------------------ changing

// The parts of a sound file: where each begins, and its length.
std::vector<std::pair<uint64_t, uint64_t>> parts_of(const SegmentIndex& index) {
    std::vector<std::pair<uint64_t, uint64_t>> parts{
        {0, sizeof(SegmentHeader)}, {index.header.directory_offset, directory_bytes(index.header.partitions)}};
    for (const Partition& partition : index.partitions) {
        const PartitionPlace& place = partition.place;
        parts.push_back({place.begins_offset, begins_bytes(place)});
        parts.push_back({place.filter_offset, filter_bytes(place)});
        parts.push_back({place.buckets_offset, buckets_bytes(place.entries, place.buckets)});
    }
    return parts;
}

// Changes some bytes and words, and seals all parts again where they were.
Bytes changed(Input& input, Bytes file) {
    Segment whole;
    REQUIRE(open(whole, file) && closes(whole));
    const SegmentHeader before = whole.index.header;
    const auto parts = parts_of(whole.index);
    for (uint32_t changes = input.below(4) + 1; changes; --changes) {
        const auto [begin, length] = parts[input.below(static_cast<uint32_t>(parts.size()))];
        const uint64_t at = begin + (input.byte() + (input.coin() ? input.byte() * 256u : 0u)) % length;
        if (input.coin() && at + sizeof(uint32_t) <= file.size()) {
            uint32_t word;
            std::memcpy(&word, &file[at], sizeof word);
            word += input.byte() - uint32_t{128};
            std::memcpy(&file[at], &word, sizeof word);
        } else {
            file[at] = input.byte();
        }
    }
    SegmentHeader header;
    std::memcpy(&header, file.data(), sizeof header);
    const Seal seal(kSecret, header.identity);
    for (uint64_t p = 0; p < whole.index.partitions.size(); ++p) {
        const Partition& partition = whole.index.partitions[p];
        const PartitionPlace& place = partition.place;
        for (uint64_t b = 0; b < place.buckets; ++b)
            seal.close(SegmentPart::bucket, p, b, &file[partition.offset_of(b)],
                       partition.bytes_of(b) - kChecksumBytes);
        seal.close(SegmentPart::filter, p, 0, &file[place.filter_offset], filter_bytes(place) - kChecksumBytes);
        seal.close(SegmentPart::begins, p, 0, &file[place.begins_offset], begins_bytes(place) - kChecksumBytes);
    }
    seal.close(SegmentPart::directory, 0, 0, &file[before.directory_offset],
               directory_bytes(before.partitions) - kChecksumBytes);
    Seal(kSecret, {0, 0}).close(SegmentPart::header, 0, 0, file.data(), sizeof header - kChecksumBytes);
    if (input.below(8) == 0) file.resize(file.size() - 1 - input.byte() % file.size());
    return file;
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    for (size_t length = 0; length <= std::min<size_t>(size, 20); ++length)
        require_padded_words({reinterpret_cast<const char*>(data), length});
    Input input{data, size};
    const Entries entries = choose_entries(input);
    const int32_t floor_day = kDays[input.below(kDayCount)];
    const uint32_t together = input.below(4) + 1;
    std::vector<Entries> parts(input.below(4) + 1);
    Entries kept, asked = entries;
    for (size_t i = 0; i < entries.size(); ++i) {
        parts[(i ^ i >> 3) % parts.size()].push_back(entries[i]);
        if (entries[i].day == kUndated || entries[i].day >= floor_day) kept.push_back(entries[i]);
        asked.push_back({{entries[i].key.low, ~entries[i].key.high}, 0, entries[i].day});  // known to nobody
    }
    std::vector<Bytes> files;
    for (const Entries& part : parts) files.push_back(written(part));
    const Bytes whole = written(entries);
    std::vector<int64_t> answers;
    REQUIRE(ask(whole, asked, answers));
    for (size_t i = 0; i < asked.size(); ++i)
        REQUIRE(answers[i] == (i < entries.size() ? int64_t{entries[i].check} : -1));
    require_memory_to_be_asked(whole);
    require_shares_to_end(entries.size() + 1, entries.size() / 3);
    Bytes all, some;
    REQUIRE(merged(files, kUndated, together, all) && all == whole);
    REQUIRE(merged(files, floor_day, together, some));
    require_sound(some);
    answers.clear();
    REQUIRE(ask(some, kept, answers));
    for (size_t i = 0; i < kept.size(); ++i) REQUIRE(answers[i] == kept[i].check);
    const Bytes forged = changed(input, whole);
    answers.clear();
    (void)ask(forged, asked, answers);
    Bytes of_forged;
    if (merged({forged}, floor_day, together, of_forged)) require_sound(of_forged);
    return 0;
}
