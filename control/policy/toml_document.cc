#include "control/policy/toml_document.h"

#include <toml++/toml.h>

#include <algorithm>
#include <limits>
#include <string>

namespace sluice {

namespace {

Position position_of(const toml::source_region& region) {
  return {region.begin.line, region.begin.column};
}

// Finds keys with absurdly many parts before the library sees them: it makes a table for each part
// of a.b.c and would take its stack to destroy them. Knows just enough of TOML to tell a key's dots
// from those in strings and comments; up to the first syntax error, where the library stops too,
// it sees the same tokens.
class DottedKeyScan {
 public:
  explicit DottedKeyScan(std::string_view text) : text_(text) {}

  // The place of the first key with too many parts.
  std::optional<Position> find() {
    while (place_ < text_.size()) {
      const char c = text_[place_];
      if (c == '"' || c == '\'') {
        skip_string(c);
        continue;
      }
      if (c == '#') {
        while (place_ < text_.size() && text_[place_] != '\n') step();
        continue;
      }
      if (c == '.') {
        if (++dots_ >= kDocumentDepthMax) return Position{line_, column_};
      } else if (c == '\n' || c == '=' || c == ',' || c == '{' || c == '[') {
        dots_ = 0;
      }
      step();
    }
    return std::nullopt;
  }

 private:
  void step() {
    if (text_[place_] == '\n') {
      ++line_;
      column_ = 1;
    } else {
      ++column_;
    }
    ++place_;
  }
  bool triple_at(char quote) const { return text_.substr(place_, 3) == std::string(3, quote); }
  void skip_string(char quote) {
    const bool is_long = triple_at(quote);
    for (int i = 0; i < (is_long ? 3 : 1); ++i) step();
    while (place_ < text_.size()) {
      const char c = text_[place_];
      if (c == '\\' && quote == '"') {
        step();
        if (place_ < text_.size()) step();
        continue;
      }
      if (!is_long && c == '\n') return;
      if (is_long ? triple_at(quote) : c == quote) {
        for (int i = 0; i < (is_long ? 3 : 1); ++i) step();
        return;
      }
      step();
    }
  }

  std::string_view text_;
  std::size_t place_ = 0;
  std::uint32_t line_ = 1;
  std::uint32_t column_ = 1;
  unsigned dots_ = 0;
};

class Converter {
 public:
  explicit Converter(Findings& findings) : findings_(findings) {}

  std::optional<Node> convert(const toml::node& node, unsigned depth) {
    const Position at = position_of(node.source());
    if (depth > kDocumentDepthMax) {
      findings_.error(at, "too-deep",
                      "nested deeper than " + std::to_string(kDocumentDepthMax) + " levels");
      return std::nullopt;
    }
    if (const toml::table* table = node.as_table()) return convert_table(*table, depth);
    if (const toml::array* array = node.as_array()) {
      Node::Array elements;
      elements.reserve(array->size());
      for (const toml::node& element : *array) {
        std::optional<Node> value = convert(element, depth + 1);
        if (!value) return std::nullopt;
        elements.push_back(*std::move(value));
      }
      return Node(std::move(elements), at);
    }
    return convert_value(node, at);
  }

 private:
  std::optional<Node> convert_table(const toml::table& table, unsigned depth) {
    Node::Table entries;
    entries.reserve(table.size());
    for (const auto& [key, node] : table) {
      std::optional<Node> value = convert(node, depth + 1);
      if (!value) return std::nullopt;
      entries.push_back({std::string(key.str()), position_of(key.source()), *std::move(value)});
    }
    // The library sorts keys by name; people wrote them in another order.
    std::stable_sort(entries.begin(), entries.end(),
                     [](const Node::Entry& a, const Node::Entry& b) { return a.at < b.at; });
    return Node(std::move(entries), position_of(table.source()));
  }

  static Node convert_value(const toml::node& node, Position at) {
    if (const auto* value = node.as_string()) return Node(std::string(value->get()), at);
    if (const auto* value = node.as_integer()) return Node(value->get(), at);
    if (const auto* value = node.as_floating_point()) return Node(value->get(), at);
    if (const auto* value = node.as_boolean()) return Node(value->get(), at);
    return Node(Node::Other{"a date or time"}, at);
  }

  Findings& findings_;
};

}  // namespace

std::optional<Node> parse_toml_document(std::string_view text, Findings& findings) {
  if (const std::optional<Position> at = DottedKeyScan(text).find()) {
    findings.error(*at, "too-deep",
                   "a key of more than " + std::to_string(kDocumentDepthMax) + " parts");
    return std::nullopt;
  }
  try {
    const toml::table root = toml::parse(text);
    std::optional<Node> node = Converter(findings).convert(root, 1);
    return node;
  } catch (const toml::parse_error& error) {
    findings.error(position_of(error.source()), "syntax",
                   "not valid TOML: " + std::string(error.description()));
  } catch (const std::exception& error) {
    findings.error({}, "syntax", std::string("TOML could not be read: ") + error.what());
  }
  return std::nullopt;
}

}  // namespace sluice
