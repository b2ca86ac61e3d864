// Columns in and out of kernels: the one place that knows the Arrow C data interface.
//
// Conventions
// - A ColumnView is read-only and by value; a ColumnOut is filled by exactly one kernel and then never written again.
// - Bits of `validity` are Arrow's (least significant first); a null pointer means that nothing is null.
// - Lifetime is by shared_ptr: a batch, its slices and everything exported from it keep the same buffers alive, and the
//   last release gives them back to the pool.
#pragma once

#include <cstdint>
#include <cstring>
#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "native/arrow_abi.hpp"
#include "native/pages.hpp"
#include "native/pool.hpp"

namespace mediation {

enum class Kind : uint8_t { i16, i32, i64, timestamp, date32, decimal128, utf8, binary, fixed16, code };

inline constexpr const char* kFormats[] = {"s", "i", "l", "tsu:UTC", "tdD", "d:18,6", "u", "z", "w:16", "s"};
inline constexpr int kWidths[] = {2, 4, 8, 8, 4, 16, 0, 0, 16, 2};  // 0: offsets and bytes

inline bool has_offsets(Kind kind) { return kind == Kind::utf8 || kind == Kind::binary; }

struct Dictionary {
    std::vector<int32_t> offsets{0};
    std::string bytes;

    int64_t size() const { return static_cast<int64_t>(offsets.size()) - 1; }
    void add(std::string_view value) {
        bytes.append(value);
        offsets.push_back(static_cast<int32_t>(bytes.size()));
    }
    std::string_view at(int64_t i) const {
        return {bytes.data() + offsets[i], static_cast<size_t>(offsets[i + 1] - offsets[i])};
    }
};

// A decimal128 value of a column that came from elsewhere: Arrow promises 8-byte alignment, an __int128 needs 16.
struct Decimal128 {
    uint64_t low;
    int64_t high;

    operator __int128() const { return static_cast<__int128>(static_cast<unsigned __int128>(high) << 64 | low); }
};

struct ColumnView {
    Kind kind = Kind::i64;
    int64_t length = 0;
    int64_t offset = 0;  // rows before the first, in every buffer
    int64_t null_count = 0;
    const uint8_t* validity = nullptr;
    const uint8_t* data = nullptr;
    const int32_t* offsets = nullptr;

    template <typename T>
    const T* as() const {
        return reinterpret_cast<const T*>(data) + offset;
    }
    const int16_t* i16() const { return as<int16_t>(); }
    const int32_t* i32() const { return as<int32_t>(); }
    const int64_t* i64() const { return as<int64_t>(); }
    const Decimal128* i128() const { return as<Decimal128>(); }

    bool present() const { return data != nullptr || offsets != nullptr; }  // false: there is no such column
    bool valid(int64_t i) const {
        return !validity || (validity[(i + offset) >> 3] >> ((i + offset) & 7) & 1);
    }
    std::string_view text(int64_t i) const {
        const int32_t* at = offsets + offset + i;
        return {reinterpret_cast<const char*>(data) + at[0], static_cast<size_t>(at[1] - at[0])};
    }
};

struct ColumnOut {
    Kind kind = Kind::i64;
    uint8_t* validity = nullptr;  // all ones at first; only of nullable columns
    uint8_t* data = nullptr;
    int32_t* offsets = nullptr;   // offsets[0] is 0 at first
    int64_t null_count = 0;
    int64_t capacity = 0;         // rows
    int64_t bytes_capacity = 0;   // of utf8 and binary data

    template <typename T>
    T* as() const {
        return reinterpret_cast<T*>(data);
    }
    int16_t* i16() const { return as<int16_t>(); }
    int32_t* i32() const { return as<int32_t>(); }
    int64_t* i64() const { return as<int64_t>(); }
    __int128* i128() const { return as<__int128>(); }

    // Marks row i null; the caller stores a zero value there, so that equal tables have equal bytes.
    void set_null(int64_t i) {
        validity[i >> 3] &= static_cast<uint8_t>(~(1u << (i & 7)));
        ++null_count;
    }
    // … and marks one that is null as holding a value.
    void set_valid(int64_t i) {
        validity[i >> 3] |= static_cast<uint8_t>(1u << (i & 7));
        --null_count;
    }
    bool valid(int64_t i) const { return !validity || (validity[i >> 3] >> (i & 7) & 1); }
};

struct Column {
    std::string name;
    ColumnView view;
    std::shared_ptr<const Dictionary> dictionary;
    std::shared_ptr<void> owners[3];  // validity, data, offsets
    bool built = false;               // here, and not imported: its memory is the pool's
};

struct BatchData {
    int64_t length = 0;
    std::vector<Column> columns;

    const Column* find(std::string_view name) const {
        for (const Column& column : columns)
            if (column.name == name) return &column;
        return nullptr;
    }
};

// ------------------------------------------------------------------------------------------- building

struct BuildColumn {
    Column column;
    ColumnOut out;
    int64_t untouched_bytes[3] = {0, 0, 0};  // of each owner, where they are many and nobody has had them before
};

// False when memory is exhausted, or where more octets may come than offsets can count.
inline bool build_column(BuildColumn& built, std::string name, Kind kind, bool nullable,
                         std::shared_ptr<const Dictionary> dictionary, int64_t capacity, int64_t bytes_capacity) {
    if (bytes_capacity > INT32_MAX) return false;
    built.column.name = std::move(name);
    built.column.built = true;
    built.column.dictionary = std::move(dictionary);
    built.out.kind = built.column.view.kind = kind;
    built.out.capacity = capacity;
    built.out.bytes_capacity = bytes_capacity;
    auto take = [&](int owner, int64_t bytes) {
        constexpr int64_t kMany = int64_t{64} << 10;
        bool fresh = false;
        auto block = Pool::instance().allocate(bytes, &fresh);
        built.untouched_bytes[owner] = fresh && bytes >= kMany ? bytes : 0;
        uint8_t* at = block.get();
        built.column.owners[owner] = std::move(block);
        return at;
    };
    if (nullable) {
        const int64_t bytes = (capacity + 7) / 8;
        if (!(built.out.validity = take(0, bytes))) return false;
        std::memset(built.out.validity, 0xFF, static_cast<size_t>(bytes));
    }
    const int64_t bytes = has_offsets(kind) ? bytes_capacity : capacity * kWidths[static_cast<int>(kind)];
    if (!(built.out.data = take(1, bytes))) return false;
    if (has_offsets(kind)) {
        if (!(built.out.offsets = reinterpret_cast<int32_t*>(take(2, (capacity + 1) * 4)))) return false;
        built.out.offsets[0] = 0;
    }
    return true;
}

// Brings in what is to be filled to the end; may be called again when there is more.
inline void touch(BuildColumn& built) {
    for (int owner = 0; owner < 3; ++owner) {
        if (!built.untouched_bytes[owner]) continue;
        touch_pages(built.column.owners[owner].get(), built.untouched_bytes[owner]);
        built.untouched_bytes[owner] = 0;
    }
}

inline Column finish_column(BuildColumn& built, int64_t length) {
    ColumnView& view = built.column.view;
    view.length = length;
    view.null_count = built.out.null_count;
    view.validity = built.out.null_count ? built.out.validity : nullptr;
    view.data = built.out.data;
    view.offsets = built.out.offsets;
    return std::move(built.column);
}

// ------------------------------------------------------------------------------------------ exporting

namespace detail {

inline std::atomic<int64_t>& exported() {
    static std::atomic<int64_t> count{0};
    return count;
}

struct ExportedSchema {
    std::string name;
    std::vector<ArrowSchema> children;
    std::vector<ArrowSchema*> pointers;
    ArrowSchema dictionary{};
};

inline void release_schema(ArrowSchema* schema) {
    auto* held = static_cast<ExportedSchema*>(schema->private_data);
    for (ArrowSchema& child : held->children)
        if (child.release) child.release(&child);
    if (held->dictionary.release) held->dictionary.release(&held->dictionary);
    schema->release = nullptr;
    delete held;
}

inline ExportedSchema* start_schema(ArrowSchema* out, const char* format, std::string name, int64_t flags) {
    auto* held = new ExportedSchema;
    held->name = std::move(name);
    *out = ArrowSchema{format, held->name.c_str(), nullptr, flags, 0, nullptr, nullptr, release_schema, held};
    return held;
}

struct ExportedArray {
    Column column;
    std::shared_ptr<const Dictionary> values;
    const void* buffers[3] = {nullptr, nullptr, nullptr};
    std::vector<ArrowArray> children;
    std::vector<ArrowArray*> pointers;
    ArrowArray dictionary{};
};

inline void release_array(ArrowArray* array) {
    auto* held = static_cast<ExportedArray*>(array->private_data);
    for (ArrowArray& child : held->children)
        if (child.release) child.release(&child);
    if (held->dictionary.release) held->dictionary.release(&held->dictionary);
    array->release = nullptr;
    delete held;
    exported().fetch_sub(1, std::memory_order_relaxed);
}

inline ExportedArray* start_array(ArrowArray* out, int64_t length, int64_t null_count, int64_t offset,
                                  int64_t buffers) {
    auto* held = new ExportedArray;
    *out = ArrowArray{length, null_count, offset, buffers, 0, held->buffers, nullptr, nullptr, release_array, held};
    exported().fetch_add(1, std::memory_order_relaxed);
    return held;
}

inline void export_dictionary(const std::shared_ptr<const Dictionary>& values, ArrowArray* out) {
    ExportedArray* held = start_array(out, values->size(), 0, 0, 3);
    held->values = values;
    held->buffers[1] = values->offsets.data();
    held->buffers[2] = values->bytes.data();
}

inline void export_column(Column&& column, ArrowArray* out) {
    const ColumnView& view = column.view;
    const bool offsets = has_offsets(view.kind);
    ExportedArray* held = start_array(out, view.length, view.null_count, view.offset, offsets ? 3 : 2);
    held->buffers[0] = view.validity;
    held->buffers[1] = offsets ? static_cast<const void*>(view.offsets) : view.data;
    if (offsets) held->buffers[2] = view.data;
    if (column.dictionary) {
        export_dictionary(column.dictionary, &held->dictionary);
        out->dictionary = &held->dictionary;
    }
    held->column = std::move(column);
}

}  // namespace detail

inline int64_t exported_arrays() { return detail::exported().load(std::memory_order_relaxed); }

inline void export_schema(const BatchData& batch, ArrowSchema* out) {
    auto* root = detail::start_schema(out, "+s", "", 0);
    root->children.resize(batch.columns.size());
    for (size_t i = 0; i < batch.columns.size(); ++i) {
        const Column& column = batch.columns[i];
        ArrowSchema* child = &root->children[i];
        auto* held = detail::start_schema(child, kFormats[static_cast<int>(column.view.kind)], column.name,
                                          ARROW_FLAG_NULLABLE);
        if (column.dictionary) {
            detail::start_schema(&held->dictionary, "u", "", ARROW_FLAG_NULLABLE);
            child->dictionary = &held->dictionary;
        }
        root->pointers.push_back(child);
    }
    out->n_children = static_cast<int64_t>(root->pointers.size());
    out->children = root->pointers.data();
}

inline void export_array(BatchData batch, ArrowArray* out) {
    auto* root = detail::start_array(out, batch.length, 0, 0, 1);
    root->children.resize(batch.columns.size());
    root->pointers.reserve(batch.columns.size());
    for (size_t i = 0; i < batch.columns.size(); ++i) {
        detail::export_column(std::move(batch.columns[i]), &root->children[i]);
        root->pointers.push_back(&root->children[i]);
    }
    out->n_children = static_cast<int64_t>(root->pointers.size());
    out->children = root->pointers.data();
}

// ------------------------------------------------------------------------------------------ importing

namespace detail {

struct ImportedArray {
    ArrowArray array{};
    ~ImportedArray() {
        if (array.release) array.release(&array);
    }
};

// False when no Kind has this format.
inline bool kind_of(const ArrowSchema& schema, Kind& kind) {
    if (schema.dictionary) {
        kind = Kind::code;
        return !std::strcmp(schema.format, "s") && !std::strcmp(schema.dictionary->format, "u");
    }
    for (int k = 0; k < static_cast<int>(Kind::code); ++k)
        if (!std::strcmp(schema.format, kFormats[k])) {
            kind = static_cast<Kind>(k);
            return true;
        }
    return false;
}

inline std::shared_ptr<const Dictionary> import_dictionary(const ArrowArray& values) {
    auto dictionary = std::make_shared<Dictionary>();
    const auto* offsets = static_cast<const int32_t*>(values.buffers[1]) + values.offset;
    const auto* bytes = static_cast<const char*>(values.buffers[2]);
    for (int64_t i = 0; i < values.length; ++i)
        dictionary->add({bytes + offsets[i], static_cast<size_t>(offsets[i + 1] - offsets[i])});
    return dictionary;
}

}  // namespace detail

// Takes the array over (its release pointer is cleared). Returns -1, or the index of the first column whose type no
// Kind has; nothing is taken over then.
inline int64_t import_batch(const ArrowSchema& schema, ArrowArray* array, BatchData& out) {
    for (int64_t i = 0; i < schema.n_children; ++i) {
        Kind kind;
        if (!detail::kind_of(*schema.children[i], kind)) return i;
    }
    auto held = std::make_shared<detail::ImportedArray>();
    held->array = *array;
    array->release = nullptr;
    const ArrowArray& root = held->array;
    out.length = root.length;
    out.columns.resize(static_cast<size_t>(schema.n_children));
    for (int64_t i = 0; i < schema.n_children; ++i) {
        const ArrowArray& child = *root.children[i];
        Column& column = out.columns[static_cast<size_t>(i)];
        column.name = schema.children[i]->name ? schema.children[i]->name : "";
        ColumnView& view = column.view;
        (void)detail::kind_of(*schema.children[i], view.kind);
        view.length = root.length;
        view.offset = root.offset + child.offset;
        view.validity = child.null_count == 0 ? nullptr : static_cast<const uint8_t*>(child.buffers[0]);
        view.null_count = view.validity ? -1 : 0;  // unknown for a slice; consumers count when they must
        if (has_offsets(view.kind)) {
            view.offsets = static_cast<const int32_t*>(child.buffers[1]);
            view.data = static_cast<const uint8_t*>(child.buffers[2]);
        } else {
            view.data = static_cast<const uint8_t*>(child.buffers[1]);
        }
        if (child.dictionary) column.dictionary = detail::import_dictionary(*child.dictionary);
        column.owners[1] = held;
    }
    return -1;
}

}  // namespace mediation
