-- CreateTable
CREATE TABLE "roster_download" (
    "code_hash" BYTEA NOT NULL,
    "school_id" UUID NOT NULL,
    "format" TEXT NOT NULL,
    "system" TEXT NOT NULL,
    "file_name" TEXT NOT NULL,
    "credential" JSONB NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "roster_download_pkey" PRIMARY KEY ("code_hash")
);

-- CreateIndex
CREATE INDEX "roster_download_expires_at_idx" ON "roster_download"("expires_at");

-- AddForeignKey
ALTER TABLE "roster_download" ADD CONSTRAINT "roster_download_school_id_fkey" FOREIGN KEY ("school_id") REFERENCES "school"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
