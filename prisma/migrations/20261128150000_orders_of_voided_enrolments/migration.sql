-- AlterTable
ALTER TABLE "voided_enrolment" ADD COLUMN     "admitted_on" DATE,
ADD COLUMN     "order_number" TEXT,
ADD COLUMN     "plan_id" UUID;
