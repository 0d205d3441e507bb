#include "control/policy/json_document.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>

#include "control/policy/table_reader.h"

namespace sluice {

namespace {

// Walks the text and tells how far the parser has read, which its events do not.
class WatchedIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  WatchedIterator(const char* place, const char** reached) : place_(place), reached_(reached) {}
  reference operator*() const { return *place_; }
  WatchedIterator& operator++() {
    *reached_ = ++place_;
    return *this;
  }
  WatchedIterator operator++(int) {
    const WatchedIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const WatchedIterator& other) const { return place_ == other.place_; }
  bool operator!=(const WatchedIterator& other) const { return place_ != other.place_; }

 private:
  const char* place_;
  const char** reached_;
};

// Line and column (in characters) of growing offsets.
class PlaceCounter {
 public:
  explicit PlaceCounter(std::string_view text) : text_(text) {}
  Position at(std::size_t offset) {
    for (; offset_ < offset && offset_ < text_.size(); ++offset_) {
      const unsigned char c = static_cast<unsigned char>(text_[offset_]);
      if (c == '\n') {
        ++line_;
        column_ = 1;
      } else if ((c & 0xc0) != 0x80) {
        ++column_;
      }
    }
    return {line_, column_};
  }

 private:
  std::string_view text_;
  std::size_t offset_ = 0;
  std::uint32_t line_ = 1;
  std::uint32_t column_ = 1;
};

class TreeBuilder : public nlohmann::json_sax<nlohmann::json> {
 public:
  TreeBuilder(std::string_view text, Findings& findings)
      : text_(text), places_(text), reached_(text.data()), findings_(findings) {}

  const char** reached() { return &reached_; }
  Node take_root() { return std::move(root_); }

  bool null() override { return add(Node(Node::Other{"null"}, token_start())); }
  bool boolean(bool value) override { return add(Node(value, token_start())); }
  bool number_integer(number_integer_t value) override {
    return add(Node(std::int64_t{value}, token_start()));
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (value > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
      return add(Node(static_cast<double>(value), token_start()));
    }
    return add(Node(static_cast<std::int64_t>(value), token_start()));
  }
  bool number_float(number_float_t value, const string_t& /*text*/) override {
    return add(Node(value, token_start()));
  }
  bool string(string_t& value) override { return add(Node(std::move(value), token_start())); }
  bool binary(binary_t& /*value*/) override { return false; }
  bool start_object(std::size_t /*size*/) override { return open(Node::Table()); }
  bool start_array(std::size_t /*size*/) override { return open(Node::Array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    key_at_ = token_start();
    key_ = std::move(name);
    const auto [place, is_new] = keys_.back().try_emplace(key_, key_at_);
    if (!is_new) {
      findings_.error(key_at_, "duplicate-key",
                      "the key " + sluice::quoted(key_) + " is there twice, first at " +
                          findings_.place(place->second));
    }
    return true;
  }

  bool parse_error(std::size_t offset, const std::string& last_token,
                   const nlohmann::json::exception& error) override {
    if (dynamic_cast<const nlohmann::json::out_of_range*>(&error) != nullptr) {
      findings_.error(token_start(), "out-of-range",
                      "the number " + std::string(shown_number(last_token)) +
                          " is out of range: it must be below 1.8e308");
      return false;
    }
    std::string sentence = error.what();
    // The library's own preamble repeats the place: "[json.exception…] parse error at line 1, …: ".
    const std::size_t preamble = sentence.find(": ");
    if (preamble != std::string::npos) sentence.erase(0, preamble + 2);
    findings_.error(places_.at(offset == 0 ? 0 : offset - 1), "syntax",
                    "not valid JSON: " + sentence);
    return false;
  }

 private:
  // The last token without the character that ended it.
  static std::string_view shown_number(std::string_view token) {
    static constexpr std::size_t kShownMax = 40;
    return token.substr(0, std::min(token.find_last_of("0123456789") + 1, kShownMax));
  }

  // Where the token of this event began: the first character since the last one that can begin
  // one. The parser may have read one character beyond a number; such a character never begins a
  // token.
  Position token_start() {
    static constexpr std::string_view kBetween = " \t\r\n,:]}";
    std::size_t start = text_.find_first_not_of(kBetween, token_end_);
    if (start == std::string_view::npos) start = text_.size();
    token_end_ = static_cast<std::size_t>(reached_ - text_.data());
    return places_.at(start);
  }

  // Puts the value where it belongs; null: it is the root.
  Node* place(Node node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return &root_;
    }
    if (Node::Table* table = open_.back()->table()) {
      table->push_back({std::move(key_), key_at_, std::move(node)});
      return &table->back().value;
    }
    Node::Array* array = open_.back()->array();
    array->push_back(std::move(node));
    return &array->back();
  }
  bool add(Node node) {
    place(std::move(node));
    return true;
  }
  // A pointer to an open container stays good: its parent grows only after it is closed.
  bool open(Node::Content content) {
    const Position at = token_start();
    if (open_.size() >= kDocumentDepthMax) {
      findings_.error(at, "too-deep",
                      "nested deeper than " + std::to_string(kDocumentDepthMax) + " levels");
      return false;
    }
    open_.push_back(place(Node(std::move(content), at)));
    keys_.emplace_back();
    return true;
  }
  bool close() {
    open_.pop_back();
    keys_.pop_back();
    return true;
  }

  std::string_view text_;
  PlaceCounter places_;
  const char* reached_;
  std::size_t token_end_ = 0;
  Findings& findings_;
  Node root_;
  std::vector<Node*> open_;
  std::vector<std::unordered_map<std::string, Position>> keys_;
  std::string key_;
  Position key_at_;
};

}  // namespace

std::optional<Node> parse_json_document(std::string_view text, Findings& findings) {
  // A skipped byte order mark would shift the places; it is not valid JSON anyway (RFC 8259, 8.1).
  if (text.starts_with("\xef\xbb\xbf")) {
    findings.error({1, 1}, "syntax",
                   "not valid JSON: it begins with a byte order mark; save it as "
                   "UTF-8 without one");
    return std::nullopt;
  }
  TreeBuilder builder(text, findings);
  try {
    const WatchedIterator first(text.data(), builder.reached());
    const WatchedIterator last(text.data() + text.size(), builder.reached());
    if (!nlohmann::json::sax_parse(first, last, &builder)) return std::nullopt;
  } catch (const std::exception& error) {
    findings.error({}, "syntax", std::string("JSON could not be read: ") + error.what());
    return std::nullopt;
  }
  return builder.take_root();
}

}  // namespace sluice
