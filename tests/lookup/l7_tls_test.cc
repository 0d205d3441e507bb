// Server names of TLS hellos, however they are cut.

#include "lookup/l7_tls.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/lookup/hello_builder.h"
#include "tests/lookup/l7_fixture.h"

namespace sluice {
namespace {

class TlsName : public ::testing::Test {
 protected:
  NameAnswer find(const ByteList& stream) { return find_tls_name(stream, l7_.scratch()); }
  void expect_malformed(const HelloBuilder& hello) {
    const NameAnswer answer = find(hello.stream());
    EXPECT_EQ(answer.state, NameState::Malformed);
    EXPECT_TRUE(answer.name.is_empty());
  }
  L7Fixture l7_;
};

TEST_F(TlsName, IsFoundInLowerCase) {
  const NameAnswer answer = find(HelloBuilder().server_name("WWW.Example.com").stream());
  EXPECT_EQ(answer.state, NameState::Name);
  EXPECT_EQ(answer.name.text(), "www.example.com");
}

TEST_F(TlsName, NeedsEveryByteOfTheHelloAndNoMore) {
  for (const std::size_t record : {16384u, 100u, 7u, 1u}) {
    const ByteList stream =
        HelloBuilder().server_name("a.example").numbers(43, {0x0304}).stream(record);
    for (std::size_t size = 0; size < stream.size(); ++size) {
      ASSERT_EQ(find({stream.begin(), stream.begin() + static_cast<std::ptrdiff_t>(size)}).state,
                NameState::NeedMore)
          << size << " bytes, records of " << record;
    }
    ByteList longer = stream;
    put(longer, "more");
    EXPECT_EQ(find(stream).name.text(), "a.example");
    EXPECT_EQ(find(longer).name.text(), "a.example");
  }
}

TEST_F(TlsName, IsReadOutOfHellosOfPostQuantumSize) {
  HelloBuilder hello;
  hello.extension(51, ByteList(15'000, 7)).server_name("late.example");
  EXPECT_EQ(find(hello.stream(1000)).name.text(), "late.example");
}

TEST_F(TlsName, IsRefusedInHellosBeyondTheBound) {
  HelloBuilder hello;
  hello.extension(51, ByteList(40'000, 7)).server_name("late.example");
  ByteList stream = hello.stream();
  // The length alone says it.
  stream.resize(9);
  EXPECT_EQ(find(stream).state, NameState::Malformed);
}

TEST_F(TlsName, IsRefusedWhenRecordsFillTheBoundWithoutAHello) {
  HelloBuilder hello;
  hello.extension(51, ByteList(16'000, 7));
  const ByteList stream = hello.stream(1);
  EXPECT_EQ(find({stream.begin(), stream.begin() + 16'383}).state, NameState::NeedMore);
  EXPECT_EQ(find({stream.begin(), stream.begin() + 16'384}).state, NameState::Malformed);
}

TEST_F(TlsName, IsNoneWithoutTheExtension) {
  EXPECT_EQ(find(HelloBuilder().numbers(43, {0x0304}).stream()).state, NameState::None);
  EXPECT_EQ(find(HelloBuilder().stream()).state, NameState::None);
}

TEST_F(TlsName, IsRefusedWhereItIsNoHost) {
  expect_malformed(HelloBuilder().server_name(""));
  expect_malformed(HelloBuilder().server_name(std::string("a.example\0.evil", 15)));
  expect_malformed(HelloBuilder().server_name(std::string(10'000, 'a')));
  expect_malformed(HelloBuilder().server_name("a b"));
}

TEST_F(TlsName, IsRefusedWhereItIsSaidTwice) {
  expect_malformed(HelloBuilder().server_name("a.example").server_name("b.example"));
  ByteList entries;
  for (const char* host : {"a.example", "b.example"}) {
    entries.push_back(0);
    put16(entries, 9);
    put(entries, host);
  }
  expect_malformed(HelloBuilder().extension(0, behind16(entries)));
}

TEST_F(TlsName, IsRefusedWhereLengthsDisagree) {
  ByteList content = behind16({0, 0, 20, 'a'});  // a name longer than its list
  expect_malformed(HelloBuilder().extension(0, content));
  content = behind16({0, 0, 1, 'a'});
  content.push_back(0);  // bytes behind the list
  expect_malformed(HelloBuilder().extension(0, content));
  ByteList stream = HelloBuilder().server_name("a.example").stream();
  stream[44] = 0xff;  // the length of the session id
  EXPECT_EQ(find(stream).state, NameState::Malformed);
}

TEST_F(TlsName, IsRefusedInWhatIsNoHandshake) {
  EXPECT_EQ(find({23, 3, 1, 0, 1, 1}).state, NameState::Malformed);
  EXPECT_EQ(find({22, 3, 1, 0, 0}).state, NameState::Malformed);        // an empty record
  EXPECT_EQ(find({22, 3, 1, 0x40, 1, 1}).state, NameState::Malformed);  // one too long
  EXPECT_EQ(find({22, 3, 1, 0, 4, 2, 0, 0, 0}).state, NameState::Malformed);
}

}  // namespace
}  // namespace sluice
