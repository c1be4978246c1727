-- CreateEnum
CREATE TYPE "plan_source" AS ENUM ('IMPORT', 'YEAR');

-- CreateEnum
CREATE TYPE "plan_state" AS ENUM ('READY', 'APPLIED', 'UNDONE', 'FAILED');

-- CreateEnum
CREATE TYPE "plan_noun" AS ENUM ('CLASS', 'SUBJECT', 'PERSON', 'ASSIGNMENT');

-- CreateEnum
CREATE TYPE "plan_operation" AS ENUM ('ADD', 'CHANGE', 'END', 'KEEP', 'ERROR');

-- AlterTable
ALTER TABLE "app_user" ADD COLUMN "birth_date" DATE;

-- AlterTable
ALTER TABLE "role_grant" ADD COLUMN "plan_id" UUID;

-- AlterTable
ALTER TABLE "assignment" ADD COLUMN "plan_id" UUID;

-- AlterTable
ALTER TABLE "enrolment" ADD COLUMN "admitted_on" DATE,
ADD COLUMN "order_number" TEXT,
ADD COLUMN "plan_id" UUID;

-- CreateTable
CREATE TABLE "plan" (
    "id" UUID NOT NULL,
    "school_id" UUID NOT NULL,
    "school_year_id" UUID NOT NULL,
    "source" "plan_source" NOT NULL,
    "state" "plan_state" NOT NULL,
    "format" TEXT,
    "file_name" TEXT,
    "system" TEXT NOT NULL,
    "covered_count" INTEGER NOT NULL DEFAULT 0,
    "warnings" JSONB NOT NULL,
    "warning_count" INTEGER NOT NULL DEFAULT 0,
    "client_id" TEXT,
    "created_by_id" UUID,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "applied_at" TIMESTAMPTZ(3),
    "undone_at" TIMESTAMPTZ(3),
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "plan_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "plan_row" (
    "id" UUID NOT NULL,
    "school_id" UUID NOT NULL,
    "plan_id" UUID NOT NULL,
    "position" INTEGER NOT NULL,
    "noun" "plan_noun",
    "operation" "plan_operation" NOT NULL,
    "proposed" "plan_operation" NOT NULL,
    "thing_id" UUID,
    "file" TEXT,
    "line" INTEGER,
    "before" JSONB,
    "after" JSONB,
    "code" TEXT,
    "message_ru" TEXT,
    "message_en" TEXT,
    "done" JSONB,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "plan_row_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "upload" (
    "id" UUID NOT NULL,
    "school_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "size" INTEGER NOT NULL,
    "client_id" TEXT,
    "created_by_id" UUID,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "received_at" TIMESTAMPTZ(3),
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "upload_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "plan_school_id_id_idx" ON "plan"("school_id", "id");

-- CreateIndex
CREATE UNIQUE INDEX "plan_id_school_id_key" ON "plan"("id", "school_id");

-- CreateIndex
CREATE INDEX "plan_row_plan_id_operation_position_idx" ON "plan_row"("plan_id", "operation", "position");

-- CreateIndex
CREATE UNIQUE INDEX "plan_row_plan_id_position_key" ON "plan_row"("plan_id", "position");

-- CreateIndex
CREATE INDEX "upload_school_id_idx" ON "upload"("school_id");

-- CreateIndex
CREATE INDEX "upload_created_at_idx" ON "upload"("created_at");

-- AddForeignKey
ALTER TABLE "upload" ADD CONSTRAINT "upload_school_id_fkey" FOREIGN KEY ("school_id") REFERENCES "school"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "plan" ADD CONSTRAINT "plan_school_id_fkey" FOREIGN KEY ("school_id") REFERENCES "school"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "plan" ADD CONSTRAINT "plan_school_year_id_school_id_fkey" FOREIGN KEY ("school_year_id", "school_id") REFERENCES "school_year"("id", "school_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "plan_row" ADD CONSTRAINT "plan_row_plan_id_school_id_fkey" FOREIGN KEY ("plan_id", "school_id") REFERENCES "plan"("id", "school_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- A row that changes a thing names it, and says what it is.
ALTER TABLE "plan_row" ADD CONSTRAINT "plan_row_thing_check"
    CHECK ("operation" IN ('KEEP', 'ERROR') OR ("noun" IS NOT NULL AND "thing_id" IS NOT NULL));

CREATE TRIGGER "plan_updated_at" BEFORE UPDATE ON "plan" FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION "set_updated_at"();
CREATE TRIGGER "plan_row_updated_at" BEFORE UPDATE ON "plan_row" FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION "set_updated_at"();
CREATE TRIGGER "upload_updated_at" BEFORE UPDATE ON "upload" FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION "set_updated_at"();
