#include "control/policy/document.h"

#include <nlohmann/json.hpp>

namespace sluice {

namespace {

nlohmann::ordered_json to_json_value(const Node& node) {
  switch (node.kind()) {
    case Node::Kind::Table: {
      auto object = nlohmann::ordered_json::object();
      for (const Node::Entry& entry : *node.table()) object[entry.key] = to_json_value(entry.value);
      return object;
    }
    case Node::Kind::Array: {
      auto array = nlohmann::ordered_json::array();
      for (const Node& element : *node.array()) array.push_back(to_json_value(element));
      return array;
    }
    case Node::Kind::String:
      return *node.string();
    case Node::Kind::Integer:
      return *node.integer();
    case Node::Kind::Float:
      return *node.floating();
    case Node::Kind::Boolean:
      return *node.boolean();
    case Node::Kind::Other:
      return nullptr;
  }
  return nullptr;
}

}  // namespace

std::string_view Node::kind_name() const {
  switch (kind()) {
    case Kind::Table:
      return "a table";
    case Kind::Array:
      return "an array";
    case Kind::String:
      return "a string";
    case Kind::Integer:
      return "an integer";
    case Kind::Float:
      return "a number with a fraction";
    case Kind::Boolean:
      return "a boolean";
    case Kind::Other:
      return std::get_if<Other>(&content_)->name;
  }
  return "a value";
}

const Node::Entry* Node::find(std::string_view key) const {
  const Table* entries = table();
  if (entries == nullptr) return nullptr;
  for (const Entry& entry : *entries) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

std::string document_to_json(const Node& node) {
  // Text that is not UTF-8 is replaced rather than thrown about.
  return to_json_value(node).dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace sluice
