#pragma once

// One tree for both spellings of a document: TOML and JSON become the same nodes, so everything
// that reads a policy or a configuration is written once and never sees a library's types.
//
// Every node and key knows where it stood in the text, so that findings can point at it. Plain
// values: copy, move and compare freely; no thread.

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace sluice {

// Where something stands in a text, both from 1. Line 0: nowhere (the document as a whole).
struct Position {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  constexpr bool is_known() const { return line != 0; }
  constexpr auto operator<=>(const Position&) const = default;
};

// A thing of the policy named from elsewhere, and where that was said.
struct Reference {
  std::string id;
  Position at;
};

class Node {
 public:
  enum class Kind : std::uint8_t { Table, Array, String, Integer, Float, Boolean, Other };
  struct Entry;
  using Table = std::vector<Entry>;  // in the order of the text
  using Array = std::vector<Node>;
  // What no policy knows: null of JSON, dates and times of TOML. The text says which.
  struct Other {
    std::string name;
  };
  using Content = std::variant<Table, Array, std::string, std::int64_t, double, bool, Other>;

  // Defined below, where an Entry is known: an empty table, and a value of any kind.
  Node();
  Node(Content content, Position at);
  Node(const Node&);
  Node(Node&&) noexcept;
  Node& operator=(const Node&);
  Node& operator=(Node&&) noexcept;
  ~Node();

  Kind kind() const { return static_cast<Kind>(content_.index()); }
  Position at() const { return at_; }
  // "a table", "a string", "null" …: how a message calls it.
  std::string_view kind_name() const;

  // Null if it is of another kind.
  const Table* table() const { return std::get_if<Table>(&content_); }
  const Array* array() const { return std::get_if<Array>(&content_); }
  const std::string* string() const { return std::get_if<std::string>(&content_); }
  const std::int64_t* integer() const { return std::get_if<std::int64_t>(&content_); }
  const double* floating() const { return std::get_if<double>(&content_); }
  const bool* boolean() const { return std::get_if<bool>(&content_); }

  // For those who build a tree.
  Table* table() { return std::get_if<Table>(&content_); }
  Array* array() { return std::get_if<Array>(&content_); }

  // The entry of that key, null if there is none. Linear: tables of a policy are small.
  const Entry* find(std::string_view key) const;

 private:
  Content content_;
  Position at_;
};

struct Node::Entry {
  std::string key;
  Position at;  // of the key
  Node value;
};

inline Node::Node() = default;
inline Node::Node(Content content, Position at) : content_(std::move(content)), at_(at) {}
inline Node::Node(const Node&) = default;
inline Node::Node(Node&&) noexcept = default;
inline Node& Node::operator=(const Node&) = default;
inline Node& Node::operator=(Node&&) noexcept = default;
inline Node::~Node() = default;

// Deeper nesting than this is refused by both adapters (product, section 6).
inline constexpr unsigned kDocumentDepthMax = 32;

// The tree as JSON text, without blanks. Keys in their order.
std::string document_to_json(const Node& node);

}  // namespace sluice
