#include "control/server/message.h"

#include <cstddef>
#include <utility>
#include <vector>

#include "base/limits.h"

namespace sluice {
namespace {

using Json = nlohmann::json;

// Builds the tree and stops at the first thing that the protocol refuses.
class MessageBuilder : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(value); }
  bool number_unsigned(number_unsigned_t value) override { return put(value); }
  bool number_float(number_float_t value, const string_t&) override { return put(value); }
  bool string(string_t& value) override { return put(std::move(value)); }
  bool binary(binary_t&) override { return refuse("syntax", "binary values are not JSON"); }
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& value) override {
    Json& object = *open_.back();
    if (object.contains(value)) {
      return refuse("duplicate-key", "the key '" + value.substr(0, 80) + "' stands twice");
    }
    place_ = &object[std::move(value)];
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& problem) override {
    std::string text = problem.what();
    // "[json.exception.parse_error.101] parse error at line 1, column 2: …": people need the end.
    if (const std::size_t end = text.find(": "); end != std::string::npos) text.erase(0, end + 2);
    return refuse("syntax", "byte " + std::to_string(position) + ": " + text.substr(0, 200));
  }

  Json take() { return std::move(root_); }
  Error error() const { return error_; }

 private:
  // Where the next value goes: the root, the place of a key, or the end of an array.
  Json* next_place() {
    if (open_.empty()) return &root_;
    if (open_.back()->is_object()) return place_;
    open_.back()->push_back(nullptr);
    return &open_.back()->back();
  }
  bool put(Json value) {
    *next_place() = std::move(value);
    return true;
  }
  bool open(Json value) {
    if (open_.size() == kMessageDepthMax) {
      return refuse("too-deep", "nested deeper than " + std::to_string(kMessageDepthMax));
    }
    Json* const place = next_place();
    *place = std::move(value);
    open_.push_back(place);
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }
  bool refuse(const char* code, std::string sentence) {
    error_ = Error{ErrorKind::Failed, code, std::move(sentence), ""};
    return false;
  }

  Json root_;
  // Containers that are not closed yet. An element of an array stays where it is while it is open,
  // for nothing is added to the array meanwhile.
  std::vector<Json*> open_;
  Json* place_ = nullptr;
  Error error_{ErrorKind::Failed, "syntax", "not JSON", ""};
};

}  // namespace

Result<Json> parse_message(std::string_view text) {
  if (text.size() > kMessageSizeMax) {
    return Error{ErrorKind::Failed, "too-long",
                 "a message of " + std::to_string(text.size()) + " bytes exceeds " +
                     std::to_string(kMessageSizeMax),
                 ""};
  }
  MessageBuilder builder;
  if (!Json::sax_parse(text.begin(), text.end(), &builder)) return builder.error();
  return builder.take();
}

std::string to_line(const nlohmann::ordered_json& tree) {
  return tree.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace sluice
