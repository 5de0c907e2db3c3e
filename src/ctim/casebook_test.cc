#include "ctim/casebook.h"

#include <gtest/gtest.h>

namespace mailreeve::ctim {
namespace {

std::string After(std::string_view casebook, std::string_view operation, std::string_view part) {
  auto document = json::Parse(casebook);
  auto given = json::Parse(part);
  EXPECT_TRUE(document && given);
  ChangeCasebook(document->get_object(), *ReadCasebookOperation(operation), given->get_object());
  return json::Serialize(*document);
}

constexpr std::string_view kBook =
    R"({"title":"t","observables":[{"type":"ip","value":"1"},{"value":"2","type":"ip"}]})";

TEST(Casebook, AddRemoveReplace) {
  EXPECT_EQ(After(kBook, "add", R"({"observables":[{"type":"ip","value":"1"}]})"),
            R"({"title":"t","observables":[{"type":"ip","value":"1"},{"value":"2","type":"ip"},)"
            R"({"type":"ip","value":"1"}]})")
      << "repetitions stay";
  EXPECT_EQ(After(kBook, "remove", R"({"observables":[{"type":"ip","value":"2"}]})"),
            R"({"title":"t","observables":[{"type":"ip","value":"1"}]})")
      << "equal whatever the order of keys";
  EXPECT_EQ(After(kBook, "replace", R"({"observables":[]})"), R"({"title":"t","observables":[]})");
  EXPECT_FALSE(ReadCasebookOperation("delete"));
}

TEST(Casebook, RemoveOfWhatIsNotThereYetPutsItIn) {
  EXPECT_EQ(After(R"({"title":"t"})", "remove", R"({"texts":[{"type":"a","text":"b"}]})"),
            R"({"title":"t","texts":[{"type":"a","text":"b"}]})");
}

TEST(Casebook, BundlesMergeInside) {
  constexpr std::string_view book =
      R"({"bundle":{"source":"old","malwares":[{"id":"m1"}],"tools":[{"id":"t1"}]}})";
  EXPECT_EQ(After(book, "add", R"({"bundle":{"source":"new","malwares":[{"id":"m2"}]}})"),
            R"({"bundle":{"source":"new","malwares":[{"id":"m1"},{"id":"m2"}],)"
            R"("tools":[{"id":"t1"}]}})");
  EXPECT_EQ(After(book, "remove", R"({"bundle":{"malwares":[{"id":"m1"}]}})"),
            R"({"bundle":{"source":"old","malwares":[],"tools":[{"id":"t1"}]}})");
  EXPECT_EQ(After(book, "replace", R"({"bundle":{"malwares":[{"id":"m3"}]}})"),
            R"({"bundle":{"source":"old","malwares":[{"id":"m3"}],"tools":[{"id":"t1"}]}})");
}

}  // namespace
}  // namespace mailreeve::ctim
