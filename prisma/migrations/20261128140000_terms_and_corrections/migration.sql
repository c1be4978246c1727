-- CreateEnum
CREATE TYPE "term_kind" AS ENUM ('QUARTER', 'TRIMESTER');

-- CreateTable
CREATE TABLE "term" (
    "id" UUID NOT NULL,
    "school_id" UUID NOT NULL,
    "school_year_id" UUID NOT NULL,
    "kind" "term_kind" NOT NULL,
    "number" SMALLINT NOT NULL,
    "starts_on" DATE NOT NULL,
    "ends_on" DATE NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "term_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "voided_enrolment" (
    "id" UUID NOT NULL,
    "school_id" UUID NOT NULL,
    "class_id" UUID NOT NULL,
    "student_id" UUID NOT NULL,
    "started_at" TIMESTAMPTZ(3) NOT NULL,
    "ended_at" TIMESTAMPTZ(3),
    "reason" TEXT NOT NULL,
    "voided_by_id" UUID,
    "voided_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "voided_enrolment_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "term_school_year_id_number_key" ON "term"("school_year_id", "number");

-- CreateIndex
CREATE INDEX "voided_enrolment_student_id_voided_at_id_idx" ON "voided_enrolment"("student_id", "voided_at", "id");

-- AddForeignKey
ALTER TABLE "term" ADD CONSTRAINT "term_school_id_fkey" FOREIGN KEY ("school_id") REFERENCES "school"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "term" ADD CONSTRAINT "term_school_year_id_school_id_fkey" FOREIGN KEY ("school_year_id", "school_id") REFERENCES "school_year"("id", "school_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "voided_enrolment" ADD CONSTRAINT "voided_enrolment_class_id_school_id_fkey" FOREIGN KEY ("class_id", "school_id") REFERENCES "class"("id", "school_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "voided_enrolment" ADD CONSTRAINT "voided_enrolment_student_id_fkey" FOREIGN KEY ("student_id") REFERENCES "app_user"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- The terms of a year do not overlap, and none ends before it starts.
ALTER TABLE "term" ADD CONSTRAINT "term_period_check" CHECK ("starts_on" <= "ends_on");
ALTER TABLE "term" ADD CONSTRAINT "term_number_check" CHECK ("number" BETWEEN 1 AND CASE "kind" WHEN 'QUARTER' THEN 4 ELSE 3 END);
ALTER TABLE "term" ADD CONSTRAINT "term_period_excl"
    EXCLUDE USING gist ("school_year_id" WITH =, daterange("starts_on", "ends_on", '[]') WITH &&);

CREATE TRIGGER "term_updated_at" BEFORE UPDATE ON "term" FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION "set_updated_at"();

-- Chats that were archived with their class before this migration.
ALTER TABLE "chat" ADD COLUMN "archived_with_class" BOOLEAN NOT NULL DEFAULT false;
UPDATE "chat" SET "archived_with_class" = true FROM "class"
    WHERE "class"."id" = "chat"."class_id" AND "chat"."archived_at" >= "class"."archived_at";
ALTER TABLE "chat" ADD CONSTRAINT "chat_archived_with_class_check"
    CHECK (NOT "archived_with_class" OR ("archived_at" IS NOT NULL AND "class_id" IS NOT NULL));

-- The start of a year that runs already is not recorded. The server records the start of a year that starts today.
ALTER TABLE "school_year" ADD COLUMN "started_at" TIMESTAMPTZ(3);
UPDATE "school_year" SET "started_at" = "starts_on" WHERE "starts_on" < CURRENT_DATE;
