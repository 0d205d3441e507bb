#pragma once

// THE table of requests (product, section 6). A request is one row: its name, its parameters with
// their types, what it does, and a sentence. The server's dispatch and checks, `rpc.list`, and the
// flags and help of sluicectl all come from here, so that they cannot drift apart.
//
// A parameter's flag is its name with `-` for `_`.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace sluice {

enum class ParamType : std::uint8_t {
  String,
  Word,      // a string, or a whole number that stands for one, such as a protocol
  Number,    // 0 to 2^53; as a flag, digits
  Boolean,   // as a flag, its presence
  Document,  // a policy: an object, or its text as a string; no flag
  Array,     // no flag
};

struct ParamRow {
  std::string_view name;
  ParamType type = ParamType::String;
  std::string_view value;  // how help calls the value: "ENI", "keep|reevaluate|flush"
  std::string_view sentence;
  bool is_flag = true;  // sluicectl offers it; false: it is the program's own affair
};

enum class Effect : std::uint8_t {
  Reads,    // the monitor socket takes it too
  Works,    // changes nothing, but works through a document: the monitor socket refuses it
  Changes,  // the monitor socket refuses it
  Streams,  // reads; the answer is followed by notifications
};

struct RequestRow {
  std::string_view method;
  Effect effect = Effect::Reads;
  std::span<const ParamRow> params;
  std::string_view sentence;
};

// Every request there is, by noun.
std::span<const RequestRow> requests();
// Null: there is none of that name.
const RequestRow* find_request(std::string_view method);

std::string_view name_of(ParamType type);
std::string_view name_of(Effect effect);

// Bytes of a parameter of type String or Word: no path, name or comment needs more, and what is
// said about a document repeats some of them a hundred thousand times.
inline constexpr std::size_t kStringParamMax = 4'096;

// What is wrong with the parameters: an unknown name, a wrong type, a word that is none of the
// choices, a number that is none, a string that is too long. Nothing if all is well. Kind Usage.
std::optional<Error> check_params(const RequestRow& row, const nlohmann::json& params);

// The table as JSON, for `rpc.list`.
nlohmann::ordered_json requests_to_json();

}  // namespace sluice
