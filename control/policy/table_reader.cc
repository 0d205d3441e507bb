#include "control/policy/table_reader.h"

#include <algorithm>

namespace sluice {

TableReader::TableReader(const Node& node, std::string what, Findings& findings)
    : node_(node), what_(std::move(what)), findings_(findings) {
  if (node.table() == nullptr) {
    error(node.at(), "wrong-type", "must be a table, not " + std::string(node.kind_name()));
  }
}

const Node* TableReader::find(std::string_view key) {
  asked_.push_back(key);
  const Node::Entry* entry = node_.find(key);
  return entry == nullptr ? nullptr : &entry->value;
}

const Node* TableReader::require(std::string_view key) {
  const Node* node = find(key);
  if (node == nullptr && node_.table() != nullptr) {
    error(node_.at(), "missing-key", "the key \"" + std::string(key) + "\" is missing");
  }
  return node;
}

std::optional<std::string> TableReader::string(std::string_view key) {
  const Node* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (node->string() == nullptr) {
    wrong_type(*node, key, "a string");
    return std::nullopt;
  }
  return *node->string();
}

std::optional<std::string> TableReader::required_string(std::string_view key) {
  return require(key) == nullptr ? std::nullopt : string(key);
}

std::optional<std::int64_t> TableReader::integer(std::string_view key, IntegerRange range) {
  const Node* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (node->integer() == nullptr) {
    wrong_type(*node, key, "an integer");
    return std::nullopt;
  }
  const std::int64_t value = *node->integer();
  if (value >= range.low && value <= range.high) return value;
  std::string text = std::string(key) + " = " + std::to_string(value) +
                     " is out of range: " + std::to_string(range.low) + " to " +
                     std::to_string(range.high);
  if (!range.unit.empty()) text += " " + std::string(range.unit);
  error(node->at(), "out-of-range", text);
  return std::nullopt;
}

std::optional<bool> TableReader::boolean(std::string_view key) {
  const Node* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (node->boolean() == nullptr) {
    wrong_type(*node, key, "true or false");
    return std::nullopt;
  }
  return *node->boolean();
}

const Node::Array* TableReader::array(std::string_view key) {
  const Node* node = find(key);
  if (node == nullptr) return nullptr;
  if (node->array() == nullptr) wrong_type(*node, key, "an array");
  return node->array();
}

const Node::Array* TableReader::required_array(std::string_view key) {
  return require(key) == nullptr ? nullptr : array(key);
}

std::optional<std::size_t> TableReader::choice(std::string_view key,
                                               std::span<const std::string_view> words) {
  const std::optional<std::string> text = string(key);
  if (!text) return std::nullopt;
  const auto word = std::find(words.begin(), words.end(), *text);
  if (word != words.end()) return static_cast<std::size_t>(word - words.begin());
  std::string wanted;
  for (const std::string_view each : words) {
    if (!wanted.empty()) wanted += " or ";
    wanted += quoted(each);
  }
  error(place_of(key), "bad-value",
        std::string(key) + " = " + quoted(*text) + " must be " + wanted);
  return std::nullopt;
}

std::optional<std::string> TableReader::required_id(std::string_view key) {
  std::optional<std::string> text = required_string(key);
  if (!text) return std::nullopt;
  if (is_valid_id(*text)) return text;
  error(place_of(key), "bad-id",
        std::string(key) + " = " + quoted(*text) +
            " is no name: 1 to 128 letters, digits and . _ - : are");
  return std::nullopt;
}

Position TableReader::place_of(std::string_view key) const {
  const Node::Entry* entry = node_.find(key);
  return entry == nullptr ? node_.at() : entry->value.at();
}

void TableReader::error(Position at, std::string_view code, const std::string& text) {
  findings_.error(at, code, what_ + ": " + text);
}

void TableReader::over_limit(Position at, std::string_view code, const std::string& text) {
  findings_.over_limit(at, code, what_ + ": " + text);
}

void TableReader::wrong_type(const Node& node, std::string_view key, std::string_view wanted) {
  error(node.at(), "wrong-type",
        std::string(key) + " must be " + std::string(wanted) + ", not " +
            std::string(node.kind_name()));
}

void TableReader::finish() {
  if (node_.table() == nullptr) return;
  for (const Node::Entry& entry : *node_.table()) {
    if (std::find(asked_.begin(), asked_.end(), entry.key) != asked_.end()) continue;
    std::vector<std::string_view> known = asked_;
    std::sort(known.begin(), known.end());
    known.erase(std::unique(known.begin(), known.end()), known.end());
    std::string list;
    for (const std::string_view key : known) {
      if (!list.empty()) list += " ";
      list += key;
    }
    error(entry.at, "unknown-key",
          "unknown key " + quoted(entry.key) + "; the keys here are: " + list);
  }
}

bool is_valid_id(std::string_view text) {
  static constexpr std::size_t kSizeMax = 128;
  if (text.empty() || text.size() > kSizeMax) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-' || c == ':';
  });
}

void for_each_table(TableReader& parent, std::string_view key,
                    const std::function<void(const Node&)>& read) {
  const Node* node = parent.find(key);
  if (node == nullptr) return;
  if (node->array() == nullptr) {
    parent.wrong_type(*node, key, "an array of tables, [[" + std::string(key) + "]]");
    return;
  }
  for (const Node& element : *node->array()) {
    if (element.table() != nullptr) {
      read(element);
    } else {
      parent.wrong_type(element, key, "an array of tables");
    }
  }
}

namespace {

// Bytes of the UTF-8 character at the beginning of the text (RFC 3629, section 4); 0: it is none.
std::size_t character_size(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // Longer than need be, half of a surrogate pair, or beyond U+10FFFF.
  const bool is_wrong = (lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xed && byte(1) >= 0xa0) ||
                        (lead == 0xf0 && byte(1) < 0x90) || (lead == 0xf4 && byte(1) >= 0x90);
  return is_wrong ? 0 : size;
}

// Takes the first character off the text. Requires that there is one.
std::string_view take_character(std::string_view& text) {
  const std::size_t size = character_size(text);
  const std::string_view character = text.substr(0, std::max(size, std::size_t{1}));
  text.remove_prefix(character.size());
  return size == 0 ? "?" : character;
}

bool is_control(std::string_view character) {
  const auto first = static_cast<unsigned char>(character.front());
  if (character.size() == 1) return first < 0x20 || first == 0x7f;
  return first == 0xc2 && static_cast<unsigned char>(character.back()) < 0xa0;  // C1
}

}  // namespace

std::size_t character_count(std::string_view text) {
  std::size_t count = 0;
  for (; !text.empty(); take_character(text)) ++count;
  return count;
}

std::string quoted(std::string_view text) {
  static constexpr int kShownMax = 80;
  std::string shown = "\"";
  for (int count = 0; !text.empty() && count < kShownMax; ++count) {
    const std::string_view character = take_character(text);
    shown += is_control(character) ? "?" : character;
  }
  if (!text.empty()) shown += "…";
  return shown + "\"";
}

}  // namespace sluice
