// Questions of DNS messages.

#include "lookup/l7_dns.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/lookup/hello_builder.h"
#include "tests/lookup/l7_fixture.h"

namespace sluice {
namespace {

constexpr L7Transport kTcp = L7Transport::Tcp;
constexpr L7Transport kUdp = L7Transport::Udp;

// A query for `labels`, each behind its length, type A, class IN.
ByteList query(std::string_view labels) {
  ByteList message = from_hex("12 34 01 00 00 01 00 00 00 00 00 00");
  put(message, labels);
  put(message, ByteList{0, 0, 1, 0, 1});
  return message;
}

const std::string_view kExample("\3WWW\7example\3com", 16);

TEST(DnsName, IsTheQuestions) {
  const NameAnswer answer = find_dns_name(kUdp, query(kExample));
  EXPECT_EQ(answer.state, NameState::Name);
  EXPECT_EQ(answer.name.text(), "www.example.com");
  EXPECT_EQ(dns_form(kUdp, L7Side::Initiator, query(kExample)), L7Fit::Yes);
  EXPECT_EQ(dns_form(kUdp, L7Side::Responder, query(kExample)), L7Fit::No);
}

TEST(DnsName, IsFoundOverTcpAtTheLastByteOfTheQuestion) {
  const ByteList message = query(kExample);
  const ByteList stream = behind16(message);
  for (std::size_t size = 0; size < stream.size(); ++size) {
    const auto part = std::span(stream).first(size);
    ASSERT_EQ(find_dns_name(kTcp, part).state, NameState::NeedMore) << size;
    ASSERT_EQ(dns_form(kTcp, L7Side::Initiator, part), L7Fit::NeedMore) << size;
  }
  EXPECT_EQ(find_dns_name(kTcp, stream).name.text(), "www.example.com");
  EXPECT_EQ(dns_form(kTcp, L7Side::Initiator, stream), L7Fit::Yes);
}

TEST(DnsName, IsBrokenOffInNoDatagram) {
  const ByteList message = query(kExample);
  for (std::size_t size = 0; size < message.size(); ++size) {
    const auto part = std::span(message).first(size);
    ASSERT_EQ(find_dns_name(kUdp, part).state, NameState::Malformed) << size;
    ASSERT_EQ(dns_form(kUdp, L7Side::Initiator, part), L7Fit::No) << size;
  }
}

TEST(DnsName, IsNoneForTheRootAndWithoutAQuestion) {
  EXPECT_EQ(find_dns_name(kUdp, query("")).state, NameState::None);
  EXPECT_EQ(dns_form(kUdp, L7Side::Initiator, query("")), L7Fit::Yes);
  ByteList none = query(kExample);
  none[5] = 0;
  EXPECT_EQ(find_dns_name(kUdp, none).state, NameState::None);
}

TEST(DnsName, IsRefusedWhereItIsCompressedTooLongOrNoHost) {
  EXPECT_EQ(find_dns_name(kUdp, query("\xc0\x0c")).state, NameState::Malformed);
  EXPECT_EQ(find_dns_name(kUdp, query("\3a b")).state, NameState::Malformed);
  EXPECT_EQ(find_dns_name(kUdp, query(std::string_view("\3a\0b", 4))).state, NameState::Malformed);
  EXPECT_EQ(find_dns_name(kUdp, query("\3a.b")).state, NameState::Malformed);
  std::string labels;
  for (int i = 0; i < 5; ++i) labels += '\x3f' + std::string(63, 'a');
  EXPECT_EQ(find_dns_name(kUdp, query(labels)).state, NameState::Malformed);
  ByteList two = query(kExample);
  two[5] = 2;
  EXPECT_EQ(find_dns_name(kUdp, two).state, NameState::Malformed);
}

TEST(DnsForm, AsksForFlagsCountsAndClassesThatExist) {
  const auto form_with = [](std::size_t at, std::uint8_t value) {
    ByteList message = query(kExample);
    message[at] = value;
    return dns_form(kUdp, L7Side::Initiator, message);
  };
  EXPECT_EQ(form_with(2, 0x01), L7Fit::Yes);
  EXPECT_EQ(form_with(2, 0x79), L7Fit::No);  // operation 15
  EXPECT_EQ(form_with(3, 0x40), L7Fit::No);  // the reserved bit
  EXPECT_EQ(form_with(3, 0x03), L7Fit::No);  // an error in a query
  EXPECT_EQ(form_with(7, 1), L7Fit::No);     // an answer in a query
  EXPECT_EQ(form_with(11, 9), L7Fit::No);    // nine additional records
  EXPECT_EQ(form_with(32, 9), L7Fit::No);    // class 9
}

TEST(DnsForm, KnowsAnswers) {
  ByteList message = query(kExample);
  message[2] = 0x81;
  message[3] = 0x80;
  message[7] = 2;
  EXPECT_EQ(dns_form(kUdp, L7Side::Responder, message), L7Fit::Yes);
  EXPECT_EQ(dns_form(kUdp, L7Side::Initiator, message), L7Fit::No);
  // An error that quotes nothing.
  EXPECT_EQ(dns_form(kUdp, L7Side::Responder, from_hex("123481010000000000000000")), L7Fit::Yes);
  EXPECT_EQ(dns_form(kUdp, L7Side::Responder, from_hex("123481000000000000000000")), L7Fit::No);
}

}  // namespace
}  // namespace sluice
